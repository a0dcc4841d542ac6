using Curvature.Kronecker;
using Curvature.Objectives;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <content>From the gradient to the directions: the factors take up what the batch has brought, inverses are renewed when it is time, directions are clipped, and lambda is led by what a step has come to.</content>
public sealed partial class KfacOptimizer
{
    private Tensor? _lookedAt; // the parameters before a step that is judged
    private Tensor?[] _gradient = [];

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
    {
        KfacFactors factors = Factors();
        RequireRegistered(factors, gradient);
        bool updates = curvature.Count > 0;
        double damping = Damping + Settings.L2;
        if (RenewsInverses || !_inverses.IsReady(factors, Ranks))
        {
            _inverses.Refresh(factors, updates, damping, Settings.Rule, Ranks); // what it throws ends the step with the factors as they were: the next one drops what was proposed
            ShareInverses();
        }

        Tensor?[] g = [], v = [];
        Exception? error = Alone(() =>
        {
            g = [.. gradient.Select((own, i) => own is not null && Settings.L2 > 0 ? own.add(Parameters[i], Settings.L2) : own)];
            v = _inverses.Apply(g, gradient, Parameters, damping, Samples(updates ? factors.Present : null));
        });
        v = KfacPreconditioner.Gathered(v, error, gradient, factors, Ranks);
        if (updates)
        {
            factors.Commit();
            State(0)[LastSamples] = BitConverter.DoubleToInt64Bits(factors.LastWeight);
            ShareFactors(factors);
        }

        Clip(v, g);
        if (MayLookBack)
        {
            (_lookedAt, _gradient) = (factors.Parameters.Snapshot(), [.. gradient]);
        }

        return v;
    }

    /// <inheritdoc/>
    private protected override IDisposable? Preserve() => new ModuleState(Model).Preserve();

    /// <inheritdoc/>
    private protected override void LookBack(Tensor before, Tensor after)
    {
        using DisposeScope scope = NewDisposeScope();
        KfacFactors factors = Factors();
        Tensor change = factors.Parameters.Snapshot().sub(_lookedAt!);
        IReadOnlyList<Tensor> delta = factors.Parameters.Split(change);

        // q = g^T delta + delta^T F delta / 2
        Tensor q = null!;
        Ranks.Together(() => q = factors.OwnForm(change).mul(0.5));
        Ranks.Sum(q);
        foreach ((Tensor? g, Tensor d) in _gradient.Zip(delta))
        {
            q = g is null ? q : q.add(g.mul(d).sum());
        }

        double[] numbers = Ranks.Gather(stack([before, after, q.to(before.dtype)]).to(ScalarType.Float64).cpu().data<double>().ToArray()); // rank 0's first: all go by these
        if (numbers[2] != 0)
        {
            double ratio = (numbers[1] - numbers[0]) / numbers[2];
            State(0)[Lambda] = BitConverter.DoubleToInt64Bits(Settings.Schedule!.Next(Damping, ratio));
        }

        (_lookedAt, _gradient) = (null, []);
    }

    private static void RequireRegistered(KfacFactors factors, IReadOnlyList<Tensor?> gradient)
    {
        RegisteredParameter? thawed = factors.Registration.Parameters.Where((p, i) => p.Kind == BlockKind.Zero && gradient[i] is not null).FirstOrDefault();
        if (thawed is not null)
        {
            throw new CurvatureException($"The parameter '{thawed.Name}' was frozen at the first step, and its factors are none; now it has a gradient. Make a new optimizer.");
        }
    }

    /// <summary>Shortens the directions, all by one factor, to a trust region in the metric of F.</summary>
    private void Clip(Tensor?[] v, Tensor?[] g)
    {
        if (Settings.KlClip is not { } kappa)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        List<Tensor> products = [];
        int i = 0;
        foreach (ParamGroup group in _parameter_groups)
        {
            double lr = group.Options.LearningRate!.Value;
            foreach (Parameter _ in group.Parameters)
            {
                if (v[i] is { } direction)
                {
                    products.Add(direction.mul(g[i]!).sum().mul(lr * lr));
                }

                i++;
            }
        }

        // nu = min(1, sqrt(kappa / s)), by its reciprocal: s may be 0
        Tensor nu = stack(products).sum().abs().div(kappa).sqrt().clamp_min(1).reciprocal();
        foreach (Tensor? direction in v)
        {
            direction?.mul_(nu);
        }
    }

    /// <summary>M of this step; where the loss is a function alone, that of the last one that updated the factors.</summary>
    /// <param name="updating">The weight of this step's update; null: it makes none.</param>
    private double Samples(double? updating) => Settings.MomentDecay is null ? 1 : _samples > 0 ? _samples : updating ?? BitConverter.Int64BitsToDouble(State(0)[LastSamples]);
}
