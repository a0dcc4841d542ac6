using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>One sweep of k directions through a <see cref="CutGraph"/>, forwards at once and backwards when its results are asked for. Layers take all directions together, pieces one after the other.</summary>
internal sealed class CutSweep : IDisposable
{
    private readonly CutGraph _graph;
    private readonly int _k;
    private readonly Tensor?[] _directions;
    private readonly Tensor?[] _tangents;
    private readonly BilinearTangents?[] _layers;
    private readonly TangentSums _inputs;
    private readonly TangentSums _cotangents;

    /// <param name="graph">The batch.</param>
    /// <param name="v">The directions, one a row, <c>[k, P]</c>.</param>
    public CutSweep(CutGraph graph, Tensor v)
    {
        _graph = graph;
        _k = (int)v.shape[0];
        ParameterSpace space = graph.Space;
        _directions = [.. space.Parameters.Select((p, i) => p.requires_grad ? v.narrow(1, space.Offset(i), p.numel()).reshape([_k, .. p.shape]) : null)];
        int points = graph.Points.Count, leaves = graph.Cotangents.Count;
        _tangents = new Tensor?[leaves];
        _layers = new BilinearTangents?[points];
        _inputs = new TangentSums(points, _k);
        _cotangents = new TangentSums(leaves, _k);
        foreach ((int leaf, int i) in graph.ParameterLeaves)
        {
            _tangents[leaf] = _directions[i];
        }

        Forwards();
    }

    /// <summary>Adds <c>v_i^T (H v)_i</c> to <c>[parameters, k]</c>.</summary>
    public void AddForms(Tensor forms)
    {
        Backwards((i, form) => forms.select(0, i).add_(form));
        foreach ((int leaf, int i) in _graph.ParameterLeaves)
        {
            if (_cotangents[leaf] is { } product)
            {
                forms.select(0, i).add_(Tangents.Forms.Of(_directions[i]!, product));
            }
        }
    }

    public void Dispose()
    {
        _inputs.Dispose();
        _cotangents.Dispose();
    }

    private void Forwards()
    {
        for (int l = 0; l < _layers.Length; l++)
        {
            if (_graph.Pieces[l] is { } piece)
            {
                Push(piece, forward: true, (j, tangent) => _inputs.Add(l, j, tangent));
            }

            if (_graph.Cotangents[l] is not null)
            {
                BilinearCall call = _graph.Calls[l];
                _layers[l] = call.Push(_inputs[_graph.Points[l].Source], _directions[call.Weight], call.Bias < 0 ? null : _directions[call.Bias]);
                _tangents[l] = _layers[l]?.Output;
            }
        }

        Push(_graph.End, forward: false, (_, _) => { });
    }

    private void Push(CutPiece piece, bool forward, Action<int, Tensor> use)
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

    private void Backwards(Action<int, Tensor> addForm)
    {
        Tensor?[] inputs = new Tensor?[_layers.Length];
        for (int l = _layers.Length - 1; l >= 0; l--)
        {
            int source = _graph.Points[l].Source;
            if (_graph.Cotangents[l] is { } c)
            {
                // (B(W, .)^T c)' = B(W, .)^T c' + B(V, .)^T c
                Tensor? own = Layer(l, c, wanted: _graph.Pieces[source] is not null, addForm);
                inputs[source] = own is null ? inputs[source] : inputs[source]?.add_(own) ?? own;
            }

            if (_graph.Pieces[l] is { } piece && inputs[l] is { } tangents)
            {
                for (int j = 0; j < _k; j++)
                {
                    using DisposeScope scope = NewDisposeScope();
                    Tensor?[] pulled = piece.Pull(tangents.select(0, j));
                    for (int s = 0; s < pulled.Length; s++)
                    {
                        _cotangents.Add(piece.Sources[s], j, pulled[s]);
                    }
                }
            }
        }
    }

    /// <summary>The forms of a layer's parameters, and what its cotangents' tangents are in its input, <c>[k, a...]</c>: null where zero or not wanted.</summary>
    private Tensor? Layer(int l, Tensor c, bool wanted, Action<int, Tensor> addForm)
    {
        BilinearCall call = _graph.Calls[l];
        Tensor? input = _inputs[_graph.Points[l].Source], moved = _layers[l]?.Moved, cotangents = _cotangents[l];
        Tensor? down = wanted ? _layers[l]?.PullDirections(c) : null;

        // V . (H v)_W = B(V, a) . c' + a' . B(V, .)^T c,  v . (H v)_b = v . b^T c'
        if (moved is not null && cotangents is not null)
        {
            addForm(call.Weight, Tangents.Forms.Of(moved, cotangents));
        }

        if (input is not null && down is not null)
        {
            addForm(call.Weight, Tangents.Forms.Of(input, down));
        }

        if (call.Bias >= 0 && cotangents is not null)
        {
            addForm(call.Bias, Tangents.Forms.Of(_directions[call.Bias]!, call.BiasGradients(cotangents)));
        }

        return !wanted || cotangents is null ? down : down is null ? call.Pull(cotangents) : down.add_(call.Pull(cotangents));
    }
}
