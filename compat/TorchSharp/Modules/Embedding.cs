namespace TorchSharp.Modules;

/// <summary>Rows of a table <c>[rows, columns]</c> by index; the row of the padding index is zero and gets no gradient.</summary>
public sealed class Embedding : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private static readonly Op Lookup = new("embedding");
    private static readonly Op Renormalize = new("embedding_renorm_");

    private readonly long _padding;
    private readonly double? _maxNorm;
    private readonly double _normType;
    private readonly bool _scaleByFrequency;
    private readonly bool _sparse;

    internal Embedding(long rows, long columns, long? padding, double? maxNorm, double normType, bool scaleByFrequency, bool sparse,
        torch.Device? device, torch.ScalarType? dtype) : base(nameof(Embedding))
    {
        _padding = padding switch { null => -1, < 0 => rows + padding.Value, _ => padding.Value };
        (_maxNorm, _normType, _scaleByFrequency, _sparse) = (maxNorm, normType, scaleByFrequency, sparse);
        weight = Made(torch.empty([rows, columns], dtype, device), w =>
        {
            torch.nn.init.normal_(w);
            if (_padding >= 0)
            {
                using IDisposable noGrad = torch.no_grad();
                using torch.Tensor row = w.select(0, _padding);
                row.zero_();
            }
        });
    }

    public Parameter? weight { get => Get(); set => Set(value); }

    public override torch.Tensor forward(torch.Tensor input)
    {
        if (_maxNorm is { } norm)
        {
            using IDisposable noGrad = torch.no_grad();
            Renormalize.Call(weight, input, norm, _normType).Dispose();
        }
        return Lookup.Call(weight, input, _padding, _scaleByFrequency, _sparse);
    }
}
