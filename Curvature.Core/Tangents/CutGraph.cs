using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Utils;
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
    private readonly int[] _lastUses;
    private readonly int[] _lastCalls;
    private readonly Func<Tensor, Tensor> _direction;
    private readonly Tensor? _doubt;
    private int _directions;
    private bool _settled;

    private CutGraph(ParameterSpace space, CutPoint[] points, BilinearCall[] calls, Tensor[] leaves, int[] live, Tensor?[] cotangents, CutPiece?[] pieces, CutPiece end, Func<Tensor, Tensor> direction, Tensor? doubt)
    {
        (_space, _points, _calls, _leaves, _live, _cotangents, _pieces, _end) = (space, points, calls, leaves, live, cotangents, pieces, end);
        (_direction, _doubt) = (direction, doubt);
        _lastUses = new int[points.Length];
        _lastCalls = [.. points.Select(p => points.Length - 1 - Array.FindIndex([.. points.Reverse()], other => other.Source == p.Source))];
        for (int l = 0; l < points.Length; l++)
        {
            int[] sources = points[l].Direct >= 0 ? [points[l].Direct] : pieces[l] is { } piece ? [.. piece.Sources] : [];
            foreach (int s in sources.Where(s => s < points.Length))
            {
                _lastUses[s] = Math.Max(_lastUses[s], _lastCalls[l]);
            }
        }

        foreach (int s in end.Sources.Where(s => s < points.Length))
        {
            _lastUses[s] = points.Length;
        }
    }

    /// <summary>Evaluates the loss once, cut, and differentiates it. Where a hook changes the values of what a layer returns, products and forms of the batch are not finite.</summary>
    /// <param name="cuts">Where.</param>
    /// <param name="loss">A scalar.</param>
    /// <returns>Null where a hook changes the shape of what a layer returns, or on trial its values: such a batch is not to be cut.</returns>
    public static CutGraph? Of(ModelCuts cuts, Func<Tensor> loss)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        CutPoint[] points;
        Tensor value;
        Tensor? changed;
        using (CutTape tape = cuts.Cut())
        {
            value = loss();
            changed = tape.HooksChangeOutputs;
            if (tape.HooksChangeShapes || (cuts.IsOnTrial && changed?.ToBoolean() == true))
            {
                return null;
            }

            points = tape.Take();
        }

        List<IDisposable> parts = [.. points];
        try
        {
            return Differentiated(cuts, points, value, changed, parts);
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
    /// <param name="changed">Whether hooks changed what layers returned.</param>
    /// <param name="parts">Takes up what no scope owns, for the caller to dispose where this fails.</param>
    private static CutGraph Differentiated(ModelCuts cuts, CutPoint[] points, Tensor value, Tensor? changed, List<IDisposable> parts)
    {
        T Own<T>(T part) where T : IDisposable
        {
            parts.Add(part);
            return part;
        }

        IReadOnlyList<Tensor> theta = cuts.Space.Parameters;
        int[] live = [.. Enumerable.Range(0, theta.Count).Where(i => theta[i].requires_grad)];
        Tensor[] leaves = [.. points.Select(p => p.Leaf), .. live.Select(i => theta[i])];
        BilinearCall[] calls = [.. points.Select(point => Own(cuts.Call(point)))];
        Tensor?[] c = new Tensor?[leaves.Length], w = new Tensor?[points.Length];
        CutPiece?[] pieces = new CutPiece?[points.Length];
        CutPiece end = Own(CutPiece.Of(value, ones_like(value.detach()), leaves));
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

            if (w[l] is { } cotangent && points[l].Direct is >= 0 and int direct)
            {
                c[direct] = c[direct]?.add(cotangent) ?? cotangent;
            }
            else if (w[l] is not null)
            {
                pieces[l] = Own(CutPiece.Of(points[l].Input, w[l]!, leaves));
                AddCotangents(c, pieces[l]!);
            }
        }

        foreach (Tensor? cotangent in c)
        {
            cotangent?.DetachFromDisposeScope();
        }

        Tensor? doubt = changed is null ? null : zeros([], ScalarType.Float64, value.device).masked_fill(changed, double.NaN).DetachFromDisposeScope();
        return new CutGraph(cuts.Space, points, calls, leaves, live, c, pieces, end, cuts.DirectionLike, doubt);
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
                sum += Precision.Norm(c) * (_calls[l].Weight == i ? Precision.Norm(_points[l].Input) : Math.Sqrt((double)c.numel() / _space.Parameters[i].numel()));
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
        Settle((int)v.shape[0]);
        long k = v.shape[0], stretch = Math.Clamp(TangentBytes / BytesOfDirection, 1, k);
        Tensor forms = zeros([_space.Parameters.Count, k], ScalarType.Float64, v.device);
        for (long first = 0; first < k; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(stretch, k - first);
            Tensor rows = v.narrow(0, first, count);
            Tensor[] parts = [.. _space.Parameters.Select((p, i) => rows.narrow(1, _space.Offset(i), p.numel()).reshape([count, .. p.shape]))];
            using FormSweep sweep = new(this, (int)count, parts, forms.narrow(1, first, count));
        }

        return (_doubt is null ? forms : forms.add_(_doubt)).MoveToOuterDisposeScope();
    }

    /// <summary><c>H v</c>, one part a parameter and null where zero, in the caller's scope.</summary>
    /// <param name="v">One part a parameter.</param>
    public IReadOnlyList<Tensor?> Product(IReadOnlyList<Tensor> v)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Settle(1);
        using ProductSweep sweep = new(this, v);
        Tensor?[] product = [.. sweep.Product.Select(part => part?.alias())];
        if (_doubt is not null && product.Length > 0)
        {
            // Where it costs least: the smallest part that has entries at all, be it zero.
            int at = Enumerable.Range(0, product.Length).MinBy(i => _space.Parameters[i].numel() is > 0 and var entries ? (product[i] is null, entries) : (true, long.MaxValue));
            product[at] = (product[at] ?? zeros_like(_space.Parameters[at])).add(_doubt);
        }

        return [.. product.Select(part => part?.MoveToOuterDisposeScope())];
    }

    /// <summary>Which pieces are curved, where that has not been asked yet; null where it has. In the current scope.</summary>
    public Tensor? Question() => _settled || _end.Device.type == DeviceType.CPU ? null : Curvatures();

    /// <summary>Which pieces are curved.</summary>
    public void Answer(IReadOnlyList<bool> curved)
    {
        _settled = true;
        foreach ((CutPiece piece, bool isCurved) in AllPieces.Zip(curved))
        {
            piece.IsCurved = isCurved;
        }
    }

    public void Dispose()
    {
        foreach (IDisposable? part in _calls.Cast<IDisposable?>().Concat(_cotangents).Concat(_pieces).Append(_end).Append(_doubt))
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

    /// <summary>What leads to the input of each point that is the first to be given it; null where nothing that moves, or an earlier point's leaf itself.</summary>
    internal IReadOnlyList<CutPiece?> Pieces => _pieces;

    /// <summary>What leads to the loss.</summary>
    internal CutPiece End => _end;

    /// <summary>Cotangents of the leaves: the points' outputs, then the live parameters.</summary>
    internal IReadOnlyList<Tensor?> Cotangents => _cotangents;

    /// <summary>The last point whose input a point's leaf leads to without another between; the number of points where the loss is what it leads to.</summary>
    internal IReadOnlyList<int> LastUses => _lastUses;

    /// <summary>The last point that was given the same tensor as a point.</summary>
    internal IReadOnlyList<int> LastCalls => _lastCalls;

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

    /// <summary>
    /// From the second direction on it pays to ask the pieces whether they are curved. The numbers are the same: flat pieces are spared their zeros. Of a device that the host would wait for it is asked where the graph is kept, with
    /// all others (<see cref="Question"/>).
    /// </summary>
    private void Settle(int directions)
    {
        _directions += directions;
        if (_settled || _directions < 2 || _end.Device.type != DeviceType.CPU)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        using TensorAccessor<bool> curved = Curvatures().data<bool>();
        Answer(curved.ToArray());
    }

    private IEnumerable<CutPiece> AllPieces => _pieces.OfType<CutPiece>().Append(_end);

    private Tensor Curvatures() => stack(AllPieces.Select(piece => piece.Curvature(_direction)));
}
