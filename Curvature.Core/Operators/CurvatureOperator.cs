using Curvature.Data;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A curvature matrix of an objective, <c>sum_b w_b C_b / sum_b w_b + lambda I</c> (mean reduction; without the divisor for sums), with one
/// <see cref="BatchLinearization"/> per batch. Symmetric, <c>[P, P]</c>.
/// <para>
/// It is a snapshot at theta: it holds a copy of the parameters and compares before each product, because a kept graph would go on to
/// differentiate at the parameters it was built with. A product costs one pass over the data; several columns share the pass (batches
/// outside, columns inside), and graphs are kept between products within <see cref="CurvatureOptions.GraphMemory"/>.
/// Dispose it to release them.
/// </para>
/// <para>A subclass says what one batch contributes (<see cref="Linearize"/>); all else is here.</para>
/// </summary>
public abstract class CurvatureOperator : LinearOperator
{
    private readonly GraphCache _graphs;
    private readonly Tensor[] _theta;
    private VersionSentinel? _sentinel;
    private double _firstTerms;
    private double _terms;
    private int _batches;
    private int _mode;

    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    protected CurvatureOperator(Objective objective, CurvatureOptions? options)
        : base(objective.Parameters.Count, objective.Parameters.Count, isSymmetric: true, objective.Parameters.DType, objective.Parameters.Device)
    {
        Objective = objective;
        Options = options ?? new CurvatureOptions();
        if (Options.GraphMemory < 0)
        {
            throw new CurvatureException($"The memory for kept graphs cannot be negative; got {Options.GraphMemory}.");
        }

        _graphs = new GraphCache(objective.GraphsCanBeKept ? Options.GraphMemory : 0, Device.type == DeviceType.CPU);
        using IDisposable noGrad = no_grad();
        _theta = [.. Parameters.Parameters.Select(p => p.detach().clone().DetachFromDisposeScope())];
    }

    /// <summary>The loss.</summary>
    public Objective Objective { get; }

    /// <summary>theta, the rows and columns of the matrix.</summary>
    public ParameterSpace Parameters => Objective.Parameters;

    /// <summary>How the data is worked through.</summary>
    protected CurvatureOptions Options { get; }

    /// <summary><c>C v</c> with the vector given and returned as one tensor per parameter.</summary>
    /// <exception cref="CurvatureException">Wrong number of parts or shapes.</exception>
    public IReadOnlyList<Tensor> Apply(IReadOnlyList<Tensor> v)
    {
        using DisposeScope scope = NewDisposeScope();
        return [.. Parameters.Split(Apply(Parameters.Flatten(v))).Select(part => part.MoveToOuterDisposeScope())];
    }

    /// <summary>One batch's share of the matrix, with a graph at the present parameters. Called with gradients enabled, inside a scope.</summary>
    protected abstract BatchLinearization Linearize(ObjectiveBatch batch);

    /// <summary>What must hold before the first product; the base asks for a deterministic objective.</summary>
    protected virtual void Prepare() => Objective.EnsureDeterministic();

    /// <inheritdoc/>
    protected sealed override Tensor Multiply(Tensor V)
    {
        Prepare();
        FollowParameters();

        Tensor rows = V.t().contiguous();
        long k = rows.shape[0];
        Tensor?[] sums = new Tensor?[k];
        IReadOnlyList<Tensor>[] v = [.. Enumerable.Range(0, (int)k).Select(j => Parameters.Split(rows.select(0, j)))];
        if (_graphs.Holds(_batches))
        {
            for (int b = 0; b < _batches; b++)
            {
                Options.Cancellation.ThrowIfCancellationRequested();
                AddProducts(_graphs[b]!, v, sums);
            }
        }
        else
        {
            PassOverData(v, sums);
        }

        Tensor result = k == 1 ? sums[0]!.unsqueeze(0) : stack(sums.Select(sum => sum!));
        if (Objective.Reduction == Reduction.Mean && _terms != _firstTerms)
        {
            result.mul_(_firstTerms / _terms);
        }

        if (Objective.L2 != 0)
        {
            result.add_(rows, Objective.L2);
        }

        if (!Finite.Everywhere(result))
        {
            Explain(result);
        }

        return result.t();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _graphs.Dispose();
        _sentinel?.Dispose();
        foreach (Tensor part in _theta)
        {
            part.Dispose();
        }

        base.Dispose(disposing);
    }

    private void PassOverData(IReadOnlyList<Tensor>[] v, Tensor?[] sums)
    {
        (double terms, int batches) = (0, 0);
        foreach (ObjectiveBatch batch in Objective.Pass(Options.Cancellation))
        {
            _firstTerms = batches == 0 ? batch.Terms : _firstTerms;
            terms += batch.Terms;
            BatchLinearization? kept = _graphs[batches];
            if (kept is not null)
            {
                AddProducts(kept, v, sums);
            }
            else
            {
                if (_graphs.IsEmpty && _graphs.CanKeep)
                {
                    _sentinel?.Dispose();
                    _sentinel = new VersionSentinel(Parameters.Parameters.Concat(Objective.Constants));
                }

                _graphs.BeforeBatch();
                BatchLinearization fresh = LinearizeScaled(batch);
                try
                {
                    AddProducts(fresh, v, sums);
                }
                finally
                {
                    if (!fresh.CanBeKept || !_graphs.TryKeep(batches, fresh))
                    {
                        fresh.Dispose();
                    }
                }
            }

            batches++;
        }

        (_terms, _batches) = (terms, batches);
    }

    /// <summary>
    /// The loss is scaled by the batch's terms, counted in those of the first batch, before it is differentiated: products of batches then
    /// simply add up, and a single batch needs no scaling at all.
    /// </summary>
    private BatchLinearization LinearizeScaled(ObjectiveBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        double weight = batch.Terms / _firstTerms;
        return Linearize(Objective.Reduction == Reduction.Sum || weight == 1 ? batch : batch.Weighted(weight));
    }

    private void AddProducts(BatchLinearization batch, IReadOnlyList<Tensor>[] v, Tensor?[] sums)
    {
        for (int j = 0; j < v.Length; j++)
        {
            using DisposeScope scope = NewDisposeScope();
            IReadOnlyList<Tensor?> parts = batch.Apply(v[j]);
            if (sums[j] is { } sum)
            {
                Objective.Accumulate(sum, parts, 1);
            }
            else
            {
                sums[j] = ParameterSpace.Join([.. parts.Select((part, i) => part?.reshape(-1) ?? zeros(Parameters.Parameters[i].numel(), DType, Device))])
                    .MoveToOuterDisposeScope();
            }
        }
    }

    /// <summary>
    /// Compares the parameters with the copy the graphs were built at; after a change the graphs go and the copy moves. A write that
    /// changed no value makes the graphs unusable too.
    /// </summary>
    private void FollowParameters()
    {
        IReadOnlyList<Tensor> now = Parameters.Parameters;
        int[] changed = HaveMoved() ? [.. Enumerable.Range(0, now.Count).Where(i => !SameBits(_theta[i], now[i]))] : [];
        int mode = Objective.Mode;
        if (changed.Length == 0 && (_graphs.IsEmpty || (mode == _mode && _sentinel!.IsIntact())))
        {
            _mode = mode;
            return;
        }

        _mode = mode;
        if (Options.Frozen && changed.Length > 0)
        {
            throw new CurvatureException(
                $"The parameter '{Parameters.Names[changed[0]]}' changed after this operator was made, and it was told to stay Frozen. "
                + "Make a new operator at the new parameters.");
        }

        _graphs.Clear();
        foreach (int i in changed)
        {
            _theta[i].copy_(now[i].detach());
        }
    }

    /// <summary>Whether any parameter differs from its copy. On a GPU all are compared first, for one synchronisation.</summary>
    private bool HaveMoved()
    {
        if (Device.type == DeviceType.CPU)
        {
            return true; // comparing bytes one by one costs no more than this question
        }

        using DisposeScope scope = NewDisposeScope();
        return stack(_theta.Zip(Parameters.Parameters, (a, b) => a.ne(b.detach()).any())).any().ToBoolean();
    }

    /// <summary>Whether two tensors hold the same values. In main memory bytes are compared, at a sixth of what the engine's comparison costs.</summary>
    private static bool SameBits(Tensor a, Tensor b) =>
        a.device.type == DeviceType.CPU && a.is_contiguous() && b.is_contiguous() && a.numel() * a.ElementSize <= int.MaxValue
            ? a.bytes.SequenceEqual(b.bytes)
            : a.Equals(b);

    /// <summary>Names the first cause of a product that is not finite: the loss of a batch, or a parameter's entries.</summary>
    private void Explain(Tensor result)
    {
        Objective.Value(Options.Cancellation);
        for (long j = 0; j < result.shape[0]; j++)
        {
            Objective.CheckFinite(result.select(0, j), $"product with a {GetType().Name}");
        }
    }
}
