using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Hessian-free optimization: a truncated, damped Gauss-Newton step, with the damping led by how well the last steps were foretold. With G the batch's Gauss-Newton matrix,
/// <code>
/// (G + lambda I) delta = -g         by conjugate gradients from WarmStart * delta of the step before, until they make little progress
/// s = lr delta                      halved while f(theta + s) is above f(theta) + 0.01 g^T s; no step where it stays there
/// rho = (f(theta + lr delta) - f(theta)) / (g^T lr delta + (lr delta)^T G (lr delta) / 2)
/// lambda = 2/3 lambda where rho is above 3/4, 3/2 lambda where it is below 1/4 or no step was taken; it is led from 1e-12 to 1e12
/// </code>
/// f is the loss, with <c>(L2/2) |theta|^2</c> where that is set. Step by <c>Step(forward, targets, loss)</c> or its form with parts: the outputs are made again, and must come out the same (dropout is
/// refused, with the reason, at the first step). In train mode batch normalisation's running statistics move with each of these evaluations: take eval mode, or reset them afterwards. Batches should be large: a step fits the batch that it sees, and both f are of that batch.
/// <para>
/// Cost: a gradient, one or a few forward passes, and a product with G (1.2 to 1.5 gradients on kept graphs) for each iteration of conjugate gradients and three more; parts whose graphs do not fit in memory together are
/// evaluated anew for each product. Synchronises with the host on each iteration. State: a tensor a parameter. A loss that no step lowers, as it falls to rounding level, leaves the parameters as they are
/// (<see cref="Rejections"/>).
/// </para>
/// <para>
/// Martens 2010, Deep Learning via Hessian-Free Optimization; Martens and Sutskever 2012, Training Deep and Recurrent Networks with Hessian-Free Optimization, whose rho leaves the damping out of the quadratic, as here.
/// Departures: of the iterates of conjugate gradients the last is taken (no backtracking among them), a rejected delta is not started from again, and gradient and G are of the same batch.
/// </para>
/// </summary>
public sealed class HessianFree : CurvatureOptimizer<HessianFreeOptions>
{
    private const double Armijo = 0.01, Up = 1.5, Down = 1 / Up, LeastDamping = 1e-12, MostDamping = 1e12;
    private const string Prefix = "hf.", Delta = Prefix + "delta";
    private readonly List<LossPass> _passes = [];
    private Objective? _objective;
    private ICurvatureLoss? _criterion;
    private int[] _live = [];
    private double _loss;

    /// <param name="parameters">A model's, frozen ones too.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public HessianFree(IEnumerable<Parameter> parameters, HessianFreeOptions? options = null) : this([new ParamGroup<HessianFreeOptions>(parameters)], options)
    {
    }

    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the next argument.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <exception cref="CurvatureException">As the other constructor.</exception>
    public HessianFree(IEnumerable<ParamGroup<HessianFreeOptions>> groups, HessianFreeOptions? options = null) : base(groups, options, HessianFreeOptions.Defaults)
    {
    }

    /// <summary>lambda of the first step. <value>1.</value></summary>
    /// <exception cref="CurvatureException">Not above 0.</exception>
    public double InitialDamping
    {
        get;
        init => field = double.IsFinite(value) && value > 0 ? value : throw new CurvatureException(FormattableString.Invariant($"The damping is a finite number above 0; got {value}."));
    } = 1;

    /// <summary>Whether lambda follows rho (Levenberg-Marquardt). <value>True.</value></summary>
    public bool AdaptDamping { get; init; } = true;

    /// <summary>What of the last delta conjugate gradients start from, in [0, 1]. <value>0.95.</value></summary>
    /// <exception cref="CurvatureException">Out of its range.</exception>
    public double WarmStart
    {
        get;
        init => field = value is >= 0 and <= 1 ? value : throw new CurvatureException(FormattableString.Invariant($"The warm start is a share of the last step, in [0, 1]; got {value}."));
    } = 0.95;

    /// <summary>The coefficient of <c>(L2/2) |theta|^2</c>, over the parameters that have a gradient. <value>0.</value></summary>
    /// <exception cref="CurvatureException">Negative.</exception>
    public double L2
    {
        get;
        init => field = double.IsFinite(value) && value >= 0 ? value : throw new CurvatureException(FormattableString.Invariant($"L2 is a finite number from 0; got {value}."));
    }

    /// <summary>How often a step that does not lower the loss enough is halved before it is given up. <value>10.</value></summary>
    public int Halvings { get; init; } = 10;

    /// <summary>Conjugate gradients and what ends them. Default: 100 products, <see cref="ConjugateGradient.LeastProgress"/> 5e-4, tolerance 1e-6.</summary>
    public ConjugateGradient Solver { get; init; } = new() { Tolerance = 1e-6, MaxProducts = 100, LeastProgress = 5e-4 };

    /// <summary>How products with G are made, and how much memory their graphs may take; null (default): the operator's defaults.</summary>
    public CurvatureOptions? ProductOptions { get; init; }

    /// <summary>Makes an approximate inverse of <c>G + lambda I</c> from the step's objective and lambda, disposed of after the step; null (default): none.</summary>
    public Func<Objective, double, LinearOperator>? Preconditioner { get; init; }

    /// <summary>lambda of the next step.</summary>
    public double Damping => State(0)[Prefix + "damping"] is var bits && bits == 0 ? InitialDamping : BitConverter.Int64BitsToDouble(bits);

    /// <summary>rho of the last step that this object made: 1 where the loss fell as the quadratic said. NaN before, and where the step was zero.</summary>
    public double ReductionRatio { get; private set; } = double.NaN;

    /// <summary>Products with G of all steps.</summary>
    public long Products => State(0)[Prefix + "products"];

    /// <summary>Steps, among those counted, that left the parameters as they were, since no step along delta lowered the loss or a product was not finite.</summary>
    public long Rejections => State(0)[Prefix + "rejections"];

    /// <inheritdoc/>
    protected override void Begin()
    {
        _passes.Clear();
        _loss = 0;
    }

    /// <inheritdoc/>
    protected override void SumOverRanks() => _loss = Ranks.Sum(_loss);

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Differentiate(LossPass pass)
    {
        if (pass.Forward is null)
        {
            throw new CurvatureException($"{GetType().Name}'s curvature needs the model's outputs: call Step(forward, targets, loss), e.g. Step(() => model.call(x), y, new CrossEntropy()).");
        }

        _passes.Add(pass);
        _loss += pass.Loss.ToDouble();
        return base.Differentiate(pass);
    }

    /// <inheritdoc/>
    /// <returns>The step s, one entry a parameter with a gradient.</returns>
    /// <exception cref="NonDeterministicException">The outputs come out differently when they are made again: dropout, or random data.</exception>
    protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
    {
        Tensor?[] steps = new Tensor?[Parameters.Count];
        int[] live = [.. Enumerable.Range(0, steps.Length).Where(i => gradient[i] is not null)];
        if (live.Length == 0)
        {
            return steps;
        }

        Objective objective = ObjectiveOver(live);
        ParameterSpace space = objective.Parameters;
        Tensor theta = space.Snapshot(), g = space.Flatten([.. live.Select(i => gradient[i]!)]).add_(theta, L2);
        double before = _loss + (L2 == 0 ? 0 : L2 / 2 * Precision.Dots((theta, theta))[0]);
        try
        {
            (Tensor delta, Tensor s, double slope, double foretold) = Solve(objective, g);
            (Tensor taken, ReductionRatio) = Descend(objective, theta, s, before, slope, foretold);
            bool rejected = foretold != 0 && taken.numel() == 0;
            Remember(space, rejected ? zeros_like(delta) : delta, rejected);
            if (taken.numel() > 0)
            {
                IReadOnlyList<Tensor> parts = space.Split(taken);
                for (int k = 0; k < live.Length; k++)
                {
                    steps[live[k]] = parts[k];
                }
            }
        }
        catch (NonFiniteException)
        {
            ReductionRatio = double.NegativeInfinity;
            Remember(space, zeros_like(theta), rejected: true);
        }

        return steps;
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, HessianFreeOptions options)
    {
        if (D is not null)
        {
            parameter.add_(D);
        }
    }

    /// <summary>The batch as an objective; the same object from step to step, so that what is checked at the first is not checked again.</summary>
    private Objective ObjectiveOver(int[] live)
    {
        ICurvatureLoss criterion = Criterion!;
        if (_objective is null || !ReferenceEquals(_criterion, criterion) || !_live.AsSpan().SequenceEqual(live))
        {
            ParameterSpace space = new(live.Select(i => (FormattableString.Invariant($"{i}"), (Tensor)Parameters[i])));
            _objective = Objective.FromSplit(space, _passes, pass => pass.Forward!(), pass => pass.Targets!, criterion, L2, ranks: Ranks);
            (_criterion, _live) = (criterion, live);
        }

        _objective.Recount();

        return _objective;
    }

    /// <summary>delta, <c>s = lr delta</c>, <c>g^T s</c> and <c>g^T s + s^T G s / 2</c>.</summary>
    private (Tensor Delta, Tensor S, double Slope, double Foretold) Solve(Objective objective, Tensor g)
    {
        ParameterSpace space = objective.Parameters;
        NamedState all = State(0);
        using GgnOperator G = new(objective, ProductOptions);
        using LinearOperator? inverse = Preconditioner?.Invoke(objective, Damping);
        Tensor? start = all[Prefix + "warm"] > 0 && WarmStart > 0 ? space.Flatten([.. _live.Select(i => State(i).Zeros(Delta))]).mul_(WarmStart) : null;
        using LinearSolution solution = (Solver with { Start = start }).Solve(G.Shift(Damping), g.neg(), inverse);
        Tensor delta = solution.X.clone();
        double[] rates = [.. _parameter_groups.SelectMany(group => group.Parameters.Select(_ => group.LearningRate))];
        Tensor s = space.Flatten([.. space.Split(delta).Select((part, k) => part.mul(rates[_live[k]]))]), Gs = G.Apply(s);
        double[] forms = Precision.Dots((g, s), (s, Gs));
        all[Prefix + "products"] += G.Products;
        return (delta, s, forms[0], forms[0] + (forms[1] / 2));
    }

    /// <summary>The part of s that lowers the loss enough, empty where none does, and rho; the parameters are where they were afterwards.</summary>
    private (Tensor Taken, double Ratio) Descend(Objective objective, Tensor theta, Tensor s, double before, double slope, double foretold)
    {
        Tensor none = zeros(0, s.dtype, s.device);
        if (foretold == 0)
        {
            return (none, double.NaN); // nothing to gain: no gradient, or a learning rate of 0
        }

        double rounding = Precision.Epsilon(s.dtype) * Math.Abs(before);
        try
        {
            double value = Value(objective, theta.add(s)), ratio = foretold < 0 ? (value - before) / foretold : double.NegativeInfinity, rate = 1;
            for (int halvings = 0; !(value <= before + (Armijo * rate * slope) + rounding); halvings++)
            {
                if (halvings == Halvings || !(slope < 0))
                {
                    return (none, ratio);
                }

                rate /= 2;
                value = Value(objective, theta.add(s.mul(rate)));
            }

            return (s.mul(rate), ratio);
        }
        finally
        {
            objective.Parameters.Assign(theta);
        }
    }

    private static double Value(Objective objective, Tensor theta)
    {
        objective.Parameters.Assign(theta);
        try
        {
            return objective.Value();
        }
        catch (NonFiniteException)
        {
            return double.PositiveInfinity;
        }
    }

    /// <summary>Keeps delta, for the next start, and lambda.</summary>
    private void Remember(ParameterSpace space, Tensor delta, bool rejected)
    {
        IReadOnlyList<Tensor> parts = space.Split(delta);
        for (int k = 0; k < parts.Count; k++)
        {
            State(_live[k]).Set(Delta, parts[k]);
        }

        NamedState all = State(0);
        all[Prefix + "warm"] = rejected ? 0 : 1;
        all[Prefix + "rejections"] += rejected ? 1 : 0;
        double factor = !AdaptDamping ? 1 : rejected || ReductionRatio < 0.25 ? Up : ReductionRatio > 0.75 ? Down : 1;
        all[Prefix + "damping"] = BitConverter.DoubleToInt64Bits(Math.Clamp(Damping * factor, LeastDamping, Math.Max(Damping, MostDamping)));
    }
}
