using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Sophia: a running mean of the gradient over a running mean of the curvature's diagonal, clipped entry by entry. With D of the source on every k-th step (k = 10 unless set),
/// <code>
/// m = b1 m + (1 - b1) g
/// h = b2 h + (1 - b2) D                                  on steps 0, k, 2k, ...
/// theta = (1 - lr wd) theta
/// theta = theta - lr clip(m / max(gamma h, eps), -1, 1)
/// </code>
/// Where h is not positive an entry takes a step of lr against the sign of m; no entry takes a longer one. Liu, Li, Hall, Liang, Ma 2023, Sophia: A Scalable Stochastic Second-order Optimizer for
/// Language Model Pre-training, algorithm 3.
/// <para>
/// Cost: D's on refreshing steps, a gradient on others. State: two tensors a parameter. <see cref="DiagonalOptimizer{TOptions}.Step(Func{Tensor}, Func{Tensor})"/> takes D from a part of the batch.
/// </para>
/// </summary>
/// <remarks>The official code divides by <c>gamma h + eps</c> and clips from above only, which takes unbounded steps the wrong way where h is negative; the paper's max, as here, does not.</remarks>
public abstract class Sophia : DiagonalOptimizer<SophiaOptions>
{
    private const int Interval = 10;

    private protected Sophia(IEnumerable<ParamGroup> groups, SophiaOptions? options, SophiaOptions defaults, IDiagonalSource source) : base(groups, options, defaults, source, Interval)
    {
    }

    /// <summary>
    /// The share of entries that the last step did not clip, <c>|m| &lt; gamma h</c>; NaN before the first. Between 0.1 and 0.5 is reported as healthy; a smaller gamma raises it. Computed when asked for,
    /// with a host synchronisation.
    /// </summary>
    public double WinRate
    {
        get
        {
            using IDisposable noGrad = no_grad();
            using DisposeScope scope = NewDisposeScope();
            (double won, long all) = (0, 0);
            int i = 0;
            foreach (ParamGroup group in _parameter_groups)
            {
                double gamma = ((SophiaOptions)group.Options).Gamma!.Value;
                foreach (Parameter parameter in group.Parameters)
                {
                    NamedState state = State(i++);
                    if (state.Find("m") is { } m)
                    {
                        won += m.abs().lt(state.Zeros("h").mul(gamma)).sum().ToDouble();
                        all += parameter.numel();
                    }
                }
            }

            return won / all;
        }
    }

    /// <inheritdoc/>
    protected sealed override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, SophiaOptions options)
    {
        (double lr, double b1, double b2) = (options.LearningRate!.Value, options.Beta1!.Value, options.Beta2!.Value);
        long t = ++state["updates"];
        Tensor m = state.Zeros("m").mul_(b1).add_(g, 1 - b1), h = state.Zeros("h");
        if (D is not null)
        {
            h.mul_(b2).add_(D, 1 - b2);
        }

        if (options.WeightDecay > 0)
        {
            parameter.mul_(1 - (lr * options.WeightDecay.Value));
        }

        Tensor mean = options.BiasCorrection!.Value ? m.div(1 - Math.Pow(b1, t)) : m;
        Tensor u = mean.div(h.mul(options.Gamma!.Value).clamp_min(options.Epsilon!.Value)).clamp(-1, 1);
        parameter.add_(u, -lr);
    }
}
