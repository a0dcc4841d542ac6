using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// A batch's loss cut at its bilinear layers <c>o_l = B(W_l, a_l) + b_l</c>, for derivatives of its gradient along directions v, layer by layer: with <c>'</c> for d/dv,
/// forwards <c>o'_l = B(W_l, a'_l) + B(V_l, a_l) + v_l</c> and through the pieces between the layers <c>a' = J x'</c>; backwards, c the loss's derivative in o,
/// <c>(B(W, .)^T c)' = B(W, .)^T c' + B(V, .)^T c</c> and through the pieces <c>(J^T w)' = J^T w' + d^2 (w . f) / dx^2 x'</c> (<see cref="CutPiece"/>).
/// The quadratic forms <c>v_i^T (H v)_i</c> take no product of a weight's size (<see cref="BilinearTangents"/>).
/// <para>
/// Pearlmutter 1994, Fast Exact Multiplication by the Hessian, section 3 (the R-operator). It differs in leaving what lies between the layers to automatic differentiation.
/// </para>
/// </summary>
internal sealed class CutGraph : IDisposable
{
    /// <summary>Memory that the tangents of the directions that go together may take, roughly: more directions share nothing that is worth more.</summary>
    private const long TangentBytes = 1 << 26;

    private readonly ParameterSpace _space;
    private readonly CutPoint[] _points;
    private readonly BilinearCall[] _calls;
    private readonly Tensor?[] _cotangents;
    private readonly CutPiece?[] _pieces;
    private readonly CutPiece _end;
    private readonly Tensor[] _leaves;
    private readonly int[] _live;

    private CutGraph(ParameterSpace space, CutPoint[] points, BilinearCall[] calls, Tensor[] leaves, int[] live, Tensor?[] cotangents, CutPiece?[] pieces, CutPiece end) =>
        (_space, _points, _calls, _leaves, _live, _cotangents, _pieces, _end) = (space, points, calls, leaves, live, cotangents, pieces, end);

    /// <summary>Evaluates the loss once, cut, and differentiates it.</summary>
    /// <param name="cuts">Where.</param>
    /// <param name="loss">A scalar.</param>
    /// <returns>Null where a hook changes what a layer returns: such a batch is not to be cut.</returns>
    public static CutGraph? Of(ModelCuts cuts, Func<Tensor> loss)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        CutPoint[] points;
        Tensor value;
        using (CutTape tape = cuts.Cut())
        {
            value = loss();
            if (tape.HooksChangeOutputs)
            {
                return null;
            }

            points = tape.Take();
        }

        List<IDisposable> parts = [.. points];
        try
        {
            return Differentiated(cuts, points, value, parts);
        }
        catch
        {
            parts.ForEach(part => part.Dispose());
            throw;
        }
    }

    /// <summary>The graph of a loss that was evaluated cut.</summary>
    /// <param name="cuts">Where.</param>
    /// <param name="points">The calls that were cut.</param>
    /// <param name="value">The loss.</param>
    /// <param name="parts">Takes up what no scope owns, for the caller to dispose where this fails.</param>
    private static CutGraph Differentiated(ModelCuts cuts, CutPoint[] points, Tensor value, List<IDisposable> parts)
    {
        T Own<T>(T part) where T : IDisposable
        {
            parts.Add(part);
            return part;
        }

        IReadOnlyList<Tensor> theta = cuts.Space.Parameters;
        int[] live = [.. Enumerable.Range(0, theta.Count).Where(i => theta[i].requires_grad)];
        Tensor[] leaves = [.. points.Select(p => p.Leaf), .. live.Select(i => theta[i])];
        BilinearCall[] calls = [.. points.Select(p => Own(cuts.Call(p.Layer, p.Input.detach().DetachFromDisposeScope())))];
        Tensor?[] c = new Tensor?[leaves.Length], w = new Tensor?[points.Length];
        CutPiece?[] pieces = new CutPiece?[points.Length];
        CutPiece end = Own(CutPiece.Of(value, ones_like(value.detach()), leaves, cuts.DirectionLike));
        AddCotangents(c, end);
        using IDisposable noGrad = no_grad();
        for (int l = points.Length - 1; l >= 0; l--)
        {
            if (points[l].Input.requires_grad && c[l] is { } own)
            {
                Tensor pulled = calls[l].Pull(own.unsqueeze(0)).squeeze(0);
                int source = points[l].Source;
                w[source] = w[source]?.add(pulled) ?? pulled;
            }

            if (w[l] is { } cotangent)
            {
                pieces[l] = Own(CutPiece.Of(points[l].Input, cotangent, leaves, cuts.DirectionLike));
                AddCotangents(c, pieces[l]!);
            }
        }

        Settle([.. pieces.OfType<CutPiece>(), end]);
        foreach (Tensor? cotangent in c)
        {
            cotangent?.DetachFromDisposeScope();
        }

        return new CutGraph(cuts.Space, points, calls, leaves, live, c, pieces, end);
    }

    /// <summary>The gradient, made of the layers' inputs and cotangents; null where zero. In the caller's scope.</summary>
    public Tensor?[] Gradient()
    {
        using IDisposable noGrad = no_grad();
        Tensor?[] gradient = new Tensor?[_space.Parameters.Count];
        void Add(int i, Tensor part) => gradient[i] = gradient[i]?.add(part) ?? part;

        for (int l = 0; l < _calls.Length; l++)
        {
            if (_cotangents[l] is { } c)
            {
                Add(_calls[l].Weight, _calls[l].WeightGradient(c));
                if (_calls[l].Bias >= 0)
                {
                    Add(_calls[l].Bias, _calls[l].BiasGradients(c.unsqueeze(0)).squeeze(0));
                }
            }
        }

        foreach ((int leaf, int i) in ParameterLeaves)
        {
            if (_cotangents[leaf] is { } c)
            {
                Add(i, c);
            }
        }

        return gradient;
    }

    /// <summary>The norm that a parameter's gradient could have if nothing cancelled over the rows, as far as its layers tell: the scale of rounding.</summary>
    /// <param name="i">The parameter's position.</param>
    public double Scale(int i)
    {
        using IDisposable noGrad = no_grad();
        double sum = 0;
        for (int l = 0; l < _calls.Length; l++)
        {
            if (_cotangents[l] is { } c && (_calls[l].Weight == i || _calls[l].Bias == i))
            {
                sum += Precision.Norm(c) * (_calls[l].Weight == i ? Precision.Norm(_calls[l].Input) : Math.Sqrt((double)c.numel() / _space.Parameters[i].numel()));
            }
        }

        return sum;
    }

    /// <summary><c>v_i^T (H v)_i</c> for each parameter i and each of k directions, float64 <c>[parameters, k]</c>, in the caller's scope.</summary>
    /// <param name="v">The directions, one a row, <c>[k, P]</c>.</param>
    public Tensor Forms(Tensor v)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long k = v.shape[0], stretch = Math.Clamp(TangentBytes / BytesOfDirection, 1, k);
        Tensor forms = zeros([_space.Parameters.Count, k], ScalarType.Float64, v.device);
        for (long first = 0; first < k; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(stretch, k - first);
            using CutSweep sweep = new(this, v.narrow(0, first, count));
            sweep.AddForms(forms.narrow(1, first, count));
        }

        return forms.MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (IDisposable? part in _points.Cast<IDisposable?>().Concat(_calls).Concat(_cotangents).Concat(_pieces).Append(_end))
        {
            part?.Dispose();
        }
    }

    /// <summary>The parameters of the layers that are cut and of those between them.</summary>
    internal ParameterSpace Space => _space;

    /// <summary>Where the graph is cut.</summary>
    internal IReadOnlyList<CutPoint> Points => _points;

    /// <summary>The layers' calls, one a point.</summary>
    internal IReadOnlyList<BilinearCall> Calls => _calls;

    /// <summary>What leads to the input of each point that is the first to be given it; null where nothing that moves.</summary>
    internal IReadOnlyList<CutPiece?> Pieces => _pieces;

    /// <summary>What leads to the loss.</summary>
    internal CutPiece End => _end;

    /// <summary>Cotangents of the leaves: the points' outputs, then the live parameters.</summary>
    internal IReadOnlyList<Tensor?> Cotangents => _cotangents;

    /// <summary>The leaves that are parameters, and which.</summary>
    internal IEnumerable<(int Leaf, int Parameter)> ParameterLeaves => _live.Select((i, at) => (_points.Length + at, i));

    /// <summary>Tangents of inputs and outputs, their cotangents', and temporaries of the same size.</summary>
    private long BytesOfDirection => 1 + _points.Sum(p => 2 * (p.Input.numel() + p.Leaf.numel()) * p.Leaf.ElementSize);

    private static void AddCotangents(Tensor?[] c, CutPiece piece)
    {
        foreach ((int s, Tensor part) in piece.Sources.Zip(piece.Cotangents))
        {
            c[s] = c[s]?.add(part.detach()) ?? part.detach();
        }
    }

    /// <summary>Asks all pieces whether they are curved, for one host synchronisation.</summary>
    private static void Settle(CutPiece[] pieces)
    {
        bool[] curved = stack(pieces.Select(piece => piece.Curvature)).cpu().data<bool>().ToArray();
        for (int m = 0; m < pieces.Length; m++)
        {
            pieces[m].Settle(curved[m]);
        }
    }
}
