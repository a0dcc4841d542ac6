using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// AdaHessian: Adam with the Hessian's diagonal in the place of the gradient's square. With D the averaged diagonal (<see cref="SpatialAveraging"/>) of <see cref="HutchinsonSource"/>,
/// <code>
/// m = b1 m + (1 - b1) g
/// v = b2 v + (1 - b2) D^2
/// theta = theta - lr ( m / (1 - b1^t) / ((v / (1 - b2^t))^(k/2) + eps) + wd theta )
/// </code>
/// t counts the parameter's updates. Between refreshes D stays, and enters v again on every step; it is kept in the state where <see cref="DiagonalOptimizer{TOptions}.UpdateInterval"/> is above 1. A parameter
/// without a D yet (no gradient at the last refresh) waits for the next.
/// <para>
/// Cost: a fresh Hessian-vector product (1.5 to 4 gradients, the gradient in it) a refresh, and the memory of the gradient's graph; a gradient on other steps. State: two tensors a parameter,
/// three where the interval is above 1. Yao, Gholami, Shen, Mustafa, Keutzer, Mahoney 2021, ADAHESSIAN: An Adaptive Second Order Optimizer for Machine Learning, algorithm 1.
/// </para>
/// </summary>
/// <remarks>D is averaged with its sign, as the paper has it; published code takes |D| first (<see cref="AdaHessianOptions.AbsoluteFirst"/>), which for H = [[1, 2], [2, 1]] averages 2 where the diagonal is 1.</remarks>
public sealed class AdaHessian : DiagonalOptimizer<AdaHessianOptions>
{
    /// <param name="parameters">A model's, frozen ones too.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is the Hessian's diagonal from one vector of signs.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public AdaHessian(IEnumerable<Parameter> parameters, AdaHessianOptions? options = null, IDiagonalSource? source = null)
        : this([new ParamGroup<AdaHessianOptions>(parameters)], options, source)
    {
    }

    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the next argument.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is the Hessian's diagonal from one vector of signs.</param>
    /// <exception cref="CurvatureException">As the other constructor.</exception>
    public AdaHessian(IEnumerable<ParamGroup<AdaHessianOptions>> groups, AdaHessianOptions? options = null, IDiagonalSource? source = null)
        : base(groups, options, AdaHessianOptions.Defaults, source ?? new HutchinsonSource(), interval: 1)
    {
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, AdaHessianOptions options)
    {
        Tensor? average = D is null ? state.Find("D") : Average(D, options);
        if (average is null)
        {
            return;
        }

        if (D is not null && UpdateInterval > 1)
        {
            state.Set("D", average);
        }

        (double lr, double b1, double b2, double k) = (options.LearningRate!.Value, options.Beta1!.Value, options.Beta2!.Value, options.HessianPower!.Value);
        long t = ++state["updates"];
        Tensor m = state.Zeros("m").mul_(b1).add_(g, 1 - b1);
        Tensor v = state.Zeros("v").mul_(b2).addcmul_(average, average, 1 - b2);
        Tensor root = k == 1 ? v.sqrt() : v.pow(k / 2);
        Tensor denominator = root.div_(Math.Pow(1 - Math.Pow(b2, t), k / 2)).add_(options.Epsilon!.Value);
        if (options.WeightDecay > 0)
        {
            parameter.mul_(1 - (lr * options.WeightDecay.Value));
        }

        parameter.addcdiv_(m, denominator, -lr / (1 - Math.Pow(b1, t)));
    }

    /// <summary>The mean of D, or of |D|, over each block, in a shape that broadcasts to the parameter's.</summary>
    private static Tensor Average(Tensor diagonal, AdaHessianOptions options)
    {
        Tensor D = options.AbsoluteFirst!.Value ? diagonal.abs() : diagonal;
        long[] shape = D.shape;
        return options.Averaging switch
        {
            SpatialAveraging.Blocks when shape.Length >= 2 => Blocks(D, options.BlockSize!.Value),
            SpatialAveraging.Kernel or SpatialAveraging.KernelAndRows when shape.Length >= 3 =>
                D.mean([.. Enumerable.Range(2, shape.Length - 2).Select(i => (long)i)], keepdim: true),
            SpatialAveraging.KernelAndRows when shape.Length == 2 => D.mean([1], keepdim: true),
            _ => D,
        };
    }

    private static Tensor Blocks(Tensor D, int size)
    {
        if (D.numel() % size != 0)
        {
            throw new CurvatureException($"Blocks of {size} entries do not divide a parameter of shape [{string.Join(", ", D.shape)}]: give it a group of its own with another BlockSize.");
        }

        Tensor blocks = D.reshape(-1, size);
        return zeros_like(blocks).add_(blocks.mean([1], keepdim: true)).reshape(D.shape);
    }
}
