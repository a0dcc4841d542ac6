using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>A sweep of k directions through a <see cref="CutGraph"/>, forwards and backwards. Layers take all directions together, pieces one after the other. What is made of it at each layer is a subclass's.</summary>
internal abstract class CutSweep : IDisposable
{
    private readonly CutGraph _graph;
    private readonly int _k;
    private readonly IReadOnlyList<Tensor?> _directions;
    private readonly Tensor?[] _tangents;
    private readonly BilinearTangents?[] _layers;
    private readonly TangentSums _inputs;
    private readonly TangentSums _cotangents;

    /// <param name="graph">The batch.</param>
    /// <param name="k">How many directions.</param>
    /// <param name="directions">Their parts, <c>[k, parameter...]</c> each.</param>
    protected CutSweep(CutGraph graph, int k, IReadOnlyList<Tensor> directions)
    {
        (_graph, _k) = (graph, k);
        _directions = [.. graph.Space.Parameters.Select((p, i) => p.requires_grad ? directions[i] : null)];
        int points = graph.Points.Count, leaves = graph.Cotangents.Count;
        _tangents = new Tensor?[leaves];
        _layers = new BilinearTangents?[points];
        _inputs = new TangentSums(points, k);
        _cotangents = new TangentSums(leaves, k);
        foreach ((int leaf, int i) in graph.ParameterLeaves)
        {
            _tangents[leaf] = _directions[i];
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The parts of the directions in a parameter, <c>[k, parameter...]</c>; null where it is a constant.</summary>
    protected Tensor? Direction(int i) => _directions[i];

    /// <summary>Whether a product is made, or forms.</summary>
    protected abstract bool Products { get; }

    /// <summary>A layer on the way back: takes what it is for, and returns <c>(B(W, .)^T c)' = B(W, .)^T c' + B(V, .)^T c</c>, <c>[k, a...]</c>, in the current scope; null where zero or not wanted.</summary>
    /// <param name="call">The layer's call.</param>
    /// <param name="layer">What the directions do to it.</param>
    /// <param name="cotangents">c', <c>[k, o...]</c>; null: zero.</param>
    /// <param name="intoInput">Whether what leads to a takes part.</param>
    protected abstract Tensor? Pull(BilinearCall call, BilinearTangents layer, Tensor? cotangents, bool intoInput);

    /// <summary>What a parameter between the layers has of the product, <c>[k, parameter...]</c>.</summary>
    protected abstract void Take(int parameter, Tensor product);

    /// <summary>Releases what the sweep holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        for (int l = 0; l < _layers.Length; l++)
        {
            _layers[l]?.Dispose();
            FreeTangent(l);
        }

        _inputs.Dispose();
        _cotangents.Dispose();
    }

    /// <summary>Sweeps.</summary>
    protected void Run()
    {
        Forwards();
        Backwards();
        foreach ((int leaf, int i) in _graph.ParameterLeaves)
        {
            if (_cotangents[leaf] is { } product)
            {
                Take(i, product);
            }
        }
    }

    /// <summary>Gives back what is not needed any more as it goes: memory that is used again at once costs no page faults.</summary>
    private void Forwards()
    {
        for (int l = 0; l < _layers.Length; l++)
        {
            using DisposeScope scope = NewDisposeScope();
            if (_graph.Pieces[l] is { } piece)
            {
                Through(piece, forward: true, (j, tangent) => _inputs.Add(l, j, tangent));
            }

            if (_graph.Cotangents[l] is { } c)
            {
                BilinearCall call = _graph.Calls[l];
                _layers[l] = call.Push(new TangentRequest(_k, Input(l), _directions[call.Weight]!, call.Bias < 0 ? null : _directions[call.Bias], c, IntoInput(l), Products));
                _tangents[l] = _layers[l]!.Output.alias().DetachFromDisposeScope();
            }

            for (int s = 0; s <= l; s++)
            {
                if (_graph.LastUses[s] <= l)
                {
                    FreeTangent(s);
                }
            }

            if (_graph.LastCalls[l] <= l)
            {
                _inputs.Free(_graph.Points[l].Source);
            }
        }

        Through(_graph.End, forward: false, (_, _) => { });
    }

    private void Through(CutPiece piece, bool forward, Action<int, Tensor> use)
    {
        for (int j = 0; j < _k; j++)
        {
            using DisposeScope scope = NewDisposeScope();
            (Tensor? tangent, Tensor?[] curvature) = piece.Push([.. piece.Sources.Select(s => _tangents[s]?.select(0, j))], forward);
            if (tangent is not null)
            {
                use(j, tangent);
            }

            for (int s = 0; s < curvature.Length; s++)
            {
                _cotangents.Add(piece.Sources[s], j, curvature[s]);
            }
        }
    }

    private void Backwards()
    {
        Tensor?[] inputs = new Tensor?[_layers.Length];
        for (int l = _layers.Length - 1; l >= 0; l--)
        {
            using DisposeScope scope = NewDisposeScope();
            int source = _graph.Points[l].Source;
            if (_layers[l] is { } layer)
            {
                if (Pull(_graph.Calls[l], layer, _cotangents[l], IntoInput(l)) is { } own)
                {
                    inputs[source] = inputs[source]?.add_(own) ?? own.DetachFromDisposeScope();
                }

                layer.Dispose();
                _cotangents.Free(l);
            }

            if (inputs[l] is not { } tangents)
            {
                continue;
            }

            if (_graph.Points[l].Direct is >= 0 and int direct)
            {
                _cotangents.Add(direct, tangents);
            }
            else if (_graph.Pieces[l] is { } piece)
            {
                for (int j = 0; j < _k; j++)
                {
                    Tensor?[] pulled = piece.Pull(tangents.select(0, j));
                    for (int s = 0; s < pulled.Length; s++)
                    {
                        _cotangents.Add(piece.Sources[s], j, pulled[s]);
                        pulled[s]?.Dispose();
                    }
                }
            }

            tangents.Dispose();
        }
    }

    /// <summary>Whether what leads to a point's input depends on the parameters.</summary>
    private bool IntoInput(int l) => _graph.Points[_graph.Points[l].Source].Direct >= 0 || _graph.Pieces[_graph.Points[l].Source] is not null;

    private void FreeTangent(int l)
    {
        _tangents[l]?.Dispose();
        _tangents[l] = null;
    }

    /// <summary>a' of a point, <c>[k, a...]</c>; null where zero.</summary>
    private Tensor? Input(int l) => _graph.Points[_graph.Points[l].Source] is { Direct: >= 0 and int direct } ? _tangents[direct] : _inputs[_graph.Points[l].Source];
}
