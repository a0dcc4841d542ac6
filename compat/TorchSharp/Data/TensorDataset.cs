namespace TorchSharp.Modules;

/// <summary>Tensors of equal first dimension; sample i holds row i of each. Its handles are its own: the caller's stay alive.</summary>
public class TensorDataset : torch.utils.data.IterableDataset
{
    private readonly torch.Tensor[] _tensors;

    internal TensorDataset(torch.Tensor[] tensors)
    {
        if (tensors.Length == 0 || tensors.Any(t => t.ndim == 0 || t.shape[0] != tensors[0].shape[0]))
        {
            throw new ArgumentException("A TensorDataset needs tensors of the same first dimension.", nameof(tensors));
        }
        _tensors = tensors.Select(t => t.alias().DetachFromDisposeScope()).ToArray();
    }

    public IList<torch.Tensor> this[long index] => _tensors.Select(t => t.select(0, index)).ToList();
    public override long Count => _tensors[0].shape[0];

    public override IList<torch.Tensor> GetTensor(long index) => this[index];

    protected override void Dispose(bool disposing)
    {
        Array.ForEach(_tensors, t => t.Dispose());
        base.Dispose(disposing);
    }
}
