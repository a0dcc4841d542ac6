using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// A scheduler that takes the learning rate of all groups, and the momentum of optimizers that have one (<c>optim.IMomentum</c>: SGD), from the curvature where the parameters are (<see cref="LanczosRates"/>), anew every
/// k calls of <c>step()</c>, the first time when it is made. Call <c>step()</c> once for each step of the optimizer.
/// <para>
/// Meant for steps along the gradient, with or without momentum; a preconditioned direction has another spectrum. Cost: the products of a refresh, every k-th step. Nothing is remembered but the number of refreshes, on which the
/// start vector depends, with the seed: one made anew continues with a refresh of its own.
/// </para>
/// </summary>
public sealed class LanczosRateScheduler : optim.lr_scheduler.LRScheduler
{
    private readonly optim.Optimizer _optimizer;
    private readonly Func<LinearOperator> _matrix;
    private readonly (int Interval, int Steps, LanczosRule Rule, double Factor, int Seed) _settings;
    private int _calls;

    /// <param name="optimizer">TorchSharp's or one of this library's.</param>
    /// <param name="matrix">Makes the Hessian or the Gauss-Newton matrix at the present parameters, of a batch as large as can be had; disposed of after the refresh.</param>
    /// <param name="interval">k.</param>
    /// <param name="steps">Lanczos steps of a refresh.</param>
    /// <param name="rule">Null: Polyak's where there is a momentum to set, else that of gradient descent.</param>
    /// <param name="factor">
    /// Multiplies the learning rate. 1 is the rule's own, at the edge of stability for the largest curvature that was seen: a network's grows in the steps until the next refresh, and other batches have more of it.
    /// </param>
    /// <param name="seed">Of the start vectors.</param>
    /// <exception cref="CurvatureException">An interval or steps below 1, a factor that is not positive; or as <see cref="LanczosRates.Of"/>.</exception>
    public LanczosRateScheduler(
        optim.Optimizer optimizer, Func<LinearOperator> matrix, int interval = 30, int steps = 30, LanczosRule? rule = null, double factor = 0.1, int seed = 0) : base(optimizer)
    {
        if (interval < 1 || steps < 1 || !(factor > 0) || !double.IsFinite(factor))
        {
            throw new CurvatureException(FormattableString.Invariant($"Expected an interval and steps from 1 and a finite factor above 0; got {interval}, {steps} and {factor}."));
        }

        (_optimizer, _matrix) = (optimizer, matrix);
        _settings = (interval, steps, rule ?? (optimizer is optim.IMomentum ? LanczosRule.Polyak : LanczosRule.GradientDescent), factor, seed);
        step();
    }

    /// <summary>What the last refresh saw.</summary>
    public LanczosRates Last { get; private set; } = new(0, 0, 0);

    /// <summary>Products of all refreshes.</summary>
    public long Products { get; private set; }

    /// <summary>Counts a step, and refreshes the rates on every k-th.</summary>
    public override void step()
    {
        if (_calls++ % _settings.Interval == 0)
        {
            Refresh();
        }

        base.step();
    }

    /// <inheritdoc/>
    protected override IEnumerable<double> get_lr()
    {
        double rate = Last.By(_settings.Rule).LearningRate * _settings.Factor;
        return [.. _optimizer.ParamGroups.Select(_ => rate)];
    }

    private void Refresh()
    {
        using DisposeScope scope = NewDisposeScope();
        using LinearOperator matrix = _matrix();
        Last = LanczosRates.Of(matrix, _settings.Steps, _settings.Seed, run: _calls / _settings.Interval);
        Products += Last.Products;
        // TorchSharp's optimizers hand on their own momentum to groups that are added later only.
        foreach (optim.IMomentum controlled in _optimizer.ParamGroups.Cast<object>().Append(_optimizer).OfType<optim.IMomentum>())
        {
            controlled.Momentum = Last.By(_settings.Rule).Momentum;
        }
    }
}
