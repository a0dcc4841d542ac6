using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>The sweep of one direction whose result is the Hessian's product: <c>(H v)_W = B(., a)^T c' + B(., a')^T c</c> and <c>(H v)_b = b^T c'</c> of each layer.</summary>
internal sealed class ProductSweep : CutSweep
{
    private readonly Tensor?[] _product;

    /// <param name="graph">The batch.</param>
    /// <param name="direction">Its parts, of the parameters' shapes.</param>
    public ProductSweep(CutGraph graph, IReadOnlyList<Tensor> direction) : base(graph, 1, [.. direction.Select(part => part.unsqueeze(0))])
    {
        _product = new Tensor?[direction.Count];
        Run();
    }

    /// <summary>One part a parameter, null where zero; owned here.</summary>
    public IReadOnlyList<Tensor?> Product => _product;

    protected override bool Products => true;

    protected override Tensor? Pull(BilinearCall call, BilinearTangents layer, Tensor? cotangents, bool intoInput)
    {
        Add(call.Weight, layer.InputProduct);
        if (cotangents is null)
        {
            return layer.PullDirections();
        }

        (Tensor? pulled, Tensor weight) = call.PullWithWeight(cotangents, intoInput);
        Add(call.Weight, weight);
        if (call.Bias >= 0)
        {
            Take(call.Bias, call.BiasGradients(cotangents));
        }

        return intoInput ? pulled!.add_(layer.PullDirections()!) : null;
    }

    protected override void Take(int parameter, Tensor product) => Add(parameter, product.squeeze(0));

    protected override void Dispose(bool disposing)
    {
        foreach (Tensor? part in _product)
        {
            part?.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Add(int parameter, Tensor? part)
    {
        if (part is null)
        {
            return;
        }

        Tensor? before = _product[parameter];
        _product[parameter] = (before?.add(part) ?? part.alias()).DetachFromDisposeScope();
        before?.Dispose();
    }
}
