namespace TorchSharp.Modules;

/// <summary>Normalisation with running statistics: in training mode by the batch's, and these updated; else by the running ones.</summary>
public abstract class NormBase : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private protected NormBase(long num_features, double eps, double? momentum, bool affine, bool track_running_stats, torch.Device? device,
        torch.ScalarType? dtype, string name) : base(name)
    {
        (this.eps, this.momentum) = (eps, momentum);
        (this.affine, this.track_running_stats) = (affine, track_running_stats);
        if (affine)
        {
            weight = Made(torch.empty([num_features], dtype, device), w => torch.nn.init.ones_(w));
            bias = Made(torch.empty([num_features], dtype, device), b => torch.nn.init.zeros_(b));
        }
        if (track_running_stats)
        {
            SetBuffer(torch.zeros([num_features], dtype, device).DetachFromDisposeScope(), nameof(running_mean));
            SetBuffer(torch.ones([num_features], dtype, device).DetachFromDisposeScope(), nameof(running_var));
            SetBuffer(torch.tensor(0L, torch.int64, device).DetachFromDisposeScope(), nameof(num_batches_tracked));
        }
    }

    public Parameter weight { get => Get()!; set => Set(value); }
    public Parameter? bias { get => Get(); set => Set(value); }
    public torch.Tensor? running_mean { get => Buffer(); set => SetBuffer(value); }
    public torch.Tensor? running_var { get => Buffer(); set => SetBuffer(value); }
    public torch.Tensor? num_batches_tracked { get => Buffer(); set => SetBuffer(value); }
    public double eps { get; set; }
    public double? momentum { get; set; }
    public bool affine { get; }
    public bool track_running_stats { get; }

    protected abstract void ValidateInputDimensions(torch.Tensor input);
}

public abstract class BatchNorm : NormBase
{
    private protected BatchNorm(long num_features, double eps, double momentum, bool affine, bool track_running_stats, torch.Device? device,
        torch.ScalarType? dtype, string name) : base(num_features, eps, momentum, affine, track_running_stats, device, dtype, name) { }

    public override torch.Tensor forward(torch.Tensor input)
    {
        ValidateInputDimensions(input);
        double weightOfNew = momentum ?? 0;
        if (training && track_running_stats)
        {
            num_batches_tracked!.add_(1);
            weightOfNew = momentum ?? 1.0 / num_batches_tracked.item<long>();
        }
        return torch.nn.functional.batch_norm(input, running_mean, running_var, affine ? weight : null, bias,
            training || running_mean is null, weightOfNew, eps);
    }

    private protected static void RequireDimensions(torch.Tensor input, string expected, bool holds)
    {
        if (!holds) throw new ArgumentException($"Expected an input of {expected} dimensions, got {input.ndim}.", nameof(input));
    }
}

public sealed class BatchNorm1d : BatchNorm
{
    internal BatchNorm1d(long num_features, double eps, double momentum, bool affine, bool track, torch.Device? device,
        torch.ScalarType? dtype)
        : base(num_features, eps, momentum, affine, track, device, dtype, nameof(BatchNorm1d)) { }

    protected override void ValidateInputDimensions(torch.Tensor input) => RequireDimensions(input, "2 or 3", input.ndim is 2 or 3);
}

public sealed class BatchNorm2d : BatchNorm
{
    internal BatchNorm2d(long num_features, double eps, double momentum, bool affine, bool track, torch.Device? device,
        torch.ScalarType? dtype)
        : base(num_features, eps, momentum, affine, track, device, dtype, nameof(BatchNorm2d)) { }

    protected override void ValidateInputDimensions(torch.Tensor input) => RequireDimensions(input, "4", input.ndim == 4);
}
