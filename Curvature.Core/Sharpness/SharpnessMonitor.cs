using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Watches the curvature during training: <c>monitor.Observe(step)</c> in the loop, after each optimizer step. Most calls return at once; at an affordable interval one measures loss, gradient, sharpness, trace, batch sharpness
/// and the gradient's alignment with the sharpest direction, and adds a line to a file that <c>curvature report</c> makes curves of.
/// <para>
/// By the clock, the first observation is a short one, of four products from the gradient on: it has hardly any training to be a share of. It tells what the others will cost, which wait until they fit beside it into the share of the
/// training's time that is allowed.
/// </para>
/// <para>
/// The sharpness comes from a few Lanczos steps that start from the eigenvector of the observation before: training moves it little. Cost: a value, a gradient and usually 3 to 12 Hessian products of the objective, which may well
/// be over some hundred samples of the data. Nothing of the training is touched: parameters, <c>.grad</c>, modes, running statistics and random state are as before, so that a run ends at the same bits with and without a monitor.
/// What is not finite is missing from the record, which says so; it never ends the training.
/// </para>
/// <para>Over several ranks (<see cref="Objective.Ranks"/>) every rank observes, after each step; rank 0's clock says when, which takes a number over the ranks a step unless <see cref="MonitorOptions.Interval"/> is set, and rank 0 writes the file.</para>
/// </summary>
public sealed class SharpnessMonitor : IDisposable
{
    // Products of the first observation at a fixed interval, in those of the others: it has no eigenvector to start from.
    private const int FirstTimes = 3;

    // Products of the first observation by the clock.
    private const int ShortProducts = 4;

    // What an observation takes beside its products, in products: value, gradient, the graph.
    private const int BesidesProducts = 4;

    private readonly Objective _objective;
    private readonly MonitorOptions _options;
    private readonly MonitorFile? _file;
    private Tensor? _vector;
    private long _observations;
    private double _observing, _training, _expected, _product;
    private long? _left;

    /// <param name="objective">What is watched, at the parameters it has at the time; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">An option out of range, or the file cannot be written or is no monitor's.</exception>
    public SharpnessMonitor(Objective objective, MonitorOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(objective);
        _options = options ?? new MonitorOptions();
        if (_options.Interval < 1 || !(_options.MaxOverhead > 0) || !(_options.Tolerance > 0) || _options.MaxProducts < 2 || _options.TraceProbes < 0 || _options.BatchCount < 1)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected Interval >= 1, MaxOverhead > 0, Tolerance > 0, MaxProducts >= 2, TraceProbes >= 0 and BatchCount >= 1; got {_options.Interval}, {_options.MaxOverhead}, {_options.Tolerance}, {_options.MaxProducts}, {_options.TraceProbes} and {_options.BatchCount}."));
        }

        _objective = objective;
        _file = _options.Path is { } path && objective.Ranks.Rank == 0 ? new MonitorFile(path) : null;
    }

    /// <summary>Observations made.</summary>
    public long Observations => _observations;

    /// <summary>Seconds of observations as a share of those of training so far; infinite before any training.</summary>
    public double Overhead => _training > 0 ? _observing / _training : double.PositiveInfinity;

    /// <summary>To be called after each step of the training, in its order.</summary>
    /// <param name="step">The step, as the caller counts; an observation is made at the first call and when one is due.</param>
    /// <param name="cancellation">Ends an observation between two batches.</param>
    /// <returns>What was seen; null where none was due.</returns>
    /// <exception cref="CurvatureException">The file cannot be written, or the model cannot be measured as it is: it draws random numbers (see <see cref="MonitorOptions.Evaluate"/>), or has no second derivative.</exception>
    public MonitorRecord? Observe(long step, CancellationToken cancellation = default)
    {
        long now = _options.Time.GetTimestamp();
        _training += _left is { } left ? _options.Time.GetElapsedTime(left, now).TotalSeconds : 0;
        _left = now;
        if (!(_observations == 0 || (_options.Interval is { } interval ? step % interval == 0 : _objective.Ranks.FromFirst(IsAffordable() ? 1 : 0) != 0)))
        {
            return null;
        }

        bool isFirst = _vector is null;
        MonitorRecord seen = See(step, cancellation);
        _observations++;
        double seconds = _options.Time.GetElapsedTime(now).TotalSeconds;
        _observing += seconds;
        seen = seen with { Seconds = seconds, Overhead = Overhead };
        _expected = isFirst && seen.Sharpness is { } sharpness ? AfterFirst(seconds, sharpness.Converged) : seconds;
        _file?.Add(seen, _objective.Parameters.Count);
        _left = _options.Time.GetTimestamp();
        return seen;
    }

    /// <summary>What a run goes on from: the eigenvector and the counts. Handles share memory with the monitor; save them at once.</summary>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        Dictionary<string, Tensor> state = new(StringComparer.Ordinal)
        {
            ["counts"] = tensor((double[])[_observations, _observing, _training, _expected]),
        };
        if (_vector is { } vector)
        {
            state["vector"] = vector.alias();
        }

        return state;
    }

    /// <summary>Goes on from a state; the lines of the file stay, and those of steps that are made again replace the earlier ones when it is read.</summary>
    /// <param name="state">As <see cref="StateDict"/> gave it.</param>
    /// <exception cref="CurvatureException">Not a monitor's, or of other parameters.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using DisposeScope scope = NewDisposeScope();
        state.TryGetValue("vector", out Tensor? vector);
        if (!state.TryGetValue("counts", out Tensor? counts) || counts.numel() != 4 || (vector is not null && (vector.dim() != 1 || vector.shape[0] != _objective.Parameters.Count)))
        {
            throw new CurvatureException(
                $"The state of a monitor has four counts and a vector of {_objective.Parameters.Count} entries; got {string.Join(", ", state.Select(entry => $"{entry.Key} [{string.Join(", ", entry.Value.shape)}]"))}.");
        }

        double[] numbers = counts.detach().to(ScalarType.Float64).cpu().data<double>().ToArray();
        (_observations, _observing, _training, _expected) = ((long)numbers[0], numbers[1], numbers[2], numbers[3]);
        Keep(vector?.detach().to(_objective.Parameters.DType, _objective.Parameters.Device).clone());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _vector?.Dispose();
        _file?.Dispose();
    }

    /// <summary>Whether another observation, like the last one or of all products after the first, fits into the overhead allowed. What takes longer than expected is charged all the same, and the next one waits for it.</summary>
    private bool IsAffordable() => _observing + _expected <= _options.MaxOverhead * _training;

    /// <summary>Seconds of the observation after the first that found an eigenvector: those of the first and of the products that were left out, or as many products as it may come to, if that is less: the first one compiles and loads what is used.</summary>
    private double AfterFirst(double seconds, bool converged) =>
        Math.Min(seconds + (converged ? 0 : Math.Max(0, _options.MaxProducts - ShortProducts) * _product), (_options.MaxProducts + _options.TraceProbes + BesidesProducts) * _product);

    private MonitorRecord See(long step, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Modes? modes = _options.Evaluate is { } module ? new Modes(module) : null;
        MonitorRecord seen = new(step);
        if (_options.LearningRate is { } rate)
        {
            double eta = rate(step);
            OptimizerSetting setting = _options.Setting;
            seen = seen with { LearningRate = eta, CriticalSharpness = setting.Rule.IsAdaptive ? null : setting.Rule.Limit(1, setting.Momentum) / eta };
        }

        try
        {
            seen = seen with { Loss = _objective.Value(cancellation) };
            Tensor g = _objective.Gradient(cancellation);
            double norm = Precision.Norm(g);
            seen = seen with { GradientNorm = norm };
            using HessianOperator hessian = new(_objective, new CurvatureOptions { Cancellation = cancellation }); // its graphs last no longer than the observation
            (Eigenvalue top, Tensor u, int products) = Sharpest(hessian, norm > 0 ? g.div(norm) : null, cancellation);
            seen = seen with { Sharpness = top, Products = products, Alignment = norm > 0 ? Math.Abs(Precision.Dots((g, u))[0]) / norm : null };
            if (_options.TraceProbes > 0)
            {
                seen = seen with { Trace = Trace(hessian), Products = products + _options.TraceProbes };
            }

            if (_options.Batches is { } batches)
            {
                seen = seen with { BatchSharpness = Sharpness.BatchSharpness.Of(batches, _options.BatchCount, cancellation: cancellation).MeanOfRatios };
            }
        }
        catch (NonFiniteException error)
        {
            seen = seen with { Problem = error.Message };
        }

        return seen;
    }

    /// <summary>Lanczos from the last eigenvector, or else from the gradient, which tends to lie along the sharpest directions, until the residual is small enough.</summary>
    private (Eigenvalue Top, Tensor Vector, int Products) Sharpest(HessianOperator hessian, Tensor? direction, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        int most = _vector is not null ? _options.MaxProducts : _options.Interval is null ? Math.Min(ShortProducts, _options.MaxProducts) : FirstTimes * _options.MaxProducts;
        most = (int)Math.Min(hessian.Columns, most);
        Tensor start = Probes.Draw(ProbeKind.Gaussian, hessian.Columns, (int)(_observations % int.MaxValue), 1, _options.Seed, hessian.DType, hessian.Device).squeeze(1);
        if ((_vector ?? direction) is { } before)
        {
            // A little of a random direction, in case the sharpest one has become another that this one is orthogonal to.
            start = start.mul(0.1 / Precision.Norm(start)).add(before);
        }

        using KrylovBasis basis = new(hessian, most, zeros([0, hessian.Columns], hessian.DType, hessian.Device), start);
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            long begun = _options.Time.GetTimestamp();
            basis.Expand();
            (double[] values, double[] residuals, var s) = basis.Ritz();
            _product = _options.Time.GetElapsedTime(begun).TotalSeconds;
            double limit = Math.Max(_options.Tolerance * Math.Abs(values[^1]), RayleighRitz.Reachable(0, hessian.DType) * values.Max(Math.Abs));
            bool converged = residuals[^1] <= limit;
            if (!(converged && basis.Length > 2) && basis.Length < most && !basis.IsInvariant)
            {
                continue;
            }

            Tensor vector = basis.Vectors(s, [values.Length - 1]).squeeze(0);
            Keep(vector.clone());
            return (new Eigenvalue(values[^1], residuals[^1], converged), vector, basis.Length);
        }
    }

    private Estimate Trace(HessianOperator hessian)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        int probes = _options.TraceProbes;
        Tensor z = Probes.Draw(ProbeKind.Rademacher, hessian.Columns, (int)(_observations * probes % int.MaxValue), probes, _options.Seed, hessian.DType, hessian.Device);
        double[] forms = z.mul(hessian.Apply(z)).sum(dim: 0, type: ScalarType.Float64).cpu().data<double>().ToArray();
        return Estimate.FromSamples(forms, probes);
    }

    private void Keep(Tensor? vector)
    {
        _vector?.Dispose();
        _vector = vector?.DetachFromDisposeScope();
    }

    /// <summary>A module and all within it in evaluation mode, and back as they were.</summary>
    private sealed class Modes : IDisposable
    {
        private readonly (nn.Module Module, bool Training)[] _before;

        public Modes(nn.Module module)
        {
            _before = module is jit.ScriptModule ? [(module, module.training)] : [(module, module.training), .. module.modules().Select(m => (m, m.training))];
            module.eval();
        }

        public void Dispose()
        {
            foreach ((nn.Module module, bool training) in _before) // outer ones first: each sets all within it
            {
                module.train(training);
            }
        }
    }
}
