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
/// Dispose it to release them. Where the data is spread over several ranks (<see cref="Objective.Ranks"/>), a product is one sum of P times k numbers over them, and every rank has it.
/// </para>
/// <para>A subclass says what one batch contributes (<see cref="Linearize"/>); all else is here.</para>
/// </summary>
public abstract class CurvatureOperator : LinearOperator
{
    private readonly BatchGraphs _graphs;
    private bool _byLayers;

    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    protected CurvatureOperator(Objective objective, CurvatureOptions? options)
        : base(objective.Parameters.Count, objective.Parameters.Count, isSymmetric: true, objective.Parameters.DType, objective.Parameters.Device)
    {
        Objective = objective;
        Options = options ?? new CurvatureOptions();
        _graphs = new BatchGraphs(objective, Options, batch => _byLayers ? LinearizeByLayers(batch) : Linearize(batch));
    }

    /// <summary>The loss.</summary>
    public Objective Objective { get; }

    /// <summary>theta, the rows and columns of the matrix.</summary>
    public override ParameterSpace Parameters => Objective.Parameters;

    /// <summary>lambda of the term <c>lambda I</c>: the objective's L2.</summary>
    protected virtual double Lambda => Objective.L2;

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

    /// <summary>Whether graphs may be kept between products.</summary>
    private protected bool KeepsGraphs => _graphs.CanKeep;

    /// <summary>
    /// Whether forms, or products, are taken from graphs of another kind (<see cref="LinearizeByLayers"/>). Asked before each pass, and to be answered on every rank alike; for all batches, whether
    /// their graphs are kept or not: both kinds differ by rounding, and what fits into memory is no part of a number.
    /// </summary>
    /// <param name="products">Whether products are meant.</param>
    /// <param name="vectors">How many of them share a graph.</param>
    private protected virtual bool GoesByLayers(bool products, long vectors) => false;

    /// <summary>Told, on every rank alike, where numbers from such graphs were not finite and those from <see cref="Linearize"/>'s were: such graphs are not to be used again.</summary>
    private protected virtual void LeaveLayers()
    {
    }

    /// <summary>One batch's share of the matrix, with a graph for <see cref="BatchLinearization.Forms"/> too; else as <see cref="Linearize"/>.</summary>
    private protected virtual BatchLinearization LinearizeByLayers(ObjectiveBatch batch) => Linearize(batch);

    /// <summary>What must hold before the first product; the base asks for a deterministic objective.</summary>
    protected virtual void Prepare() => Objective.EnsureDeterministic();

    /// <inheritdoc/>
    protected sealed override Tensor Multiply(Tensor V)
    {
        Tensor rows = V.t().contiguous();
        bool byLayers = GoesByLayers(products: true, rows.shape[0]);
        Tensor result = Multiply(rows, byLayers);
        if (Finite.Everywhere(result))
        {
            return result.t();
        }

        Tensor whole = byLayers ? Multiply(rows, byLayers: false) : result;
        if (!byLayers || !Finite.Everywhere(whole))
        {
            Explain(whole);
        }

        LeaveLayers();
        return whole.t();
    }

    /// <inheritdoc/>
    private protected sealed override Tensor Forms(Tensor V, ParameterSpace? blocks)
    {
        bool areParameters = blocks is null || blocks.Parameters.Select(p => p.numel()).SequenceEqual(Parameters.Parameters.Select(p => p.numel()));
        if (!areParameters || !GoesByLayers(products: false, V.shape[1]))
        {
            return base.Forms(V, blocks);
        }

        Keep(byLayers: true);
        Tensor rows = V.t().contiguous();
        Tensor forms = Objective.SumOverRanks(() => FormsOfShard(rows), [Parameters.Parameters.Count, rows.shape[0]], Options.Cancellation, ScalarType.Float64);
        if (!Finite.Everywhere(forms))
        {
            Tensor products = base.Forms(V, blocks); // says what is not finite, and where
            LeaveLayers();
            return products;
        }

        if (Lambda != 0)
        {
            forms.add_(BlockForms.Sums(V.square(), Parameters), Lambda);
        }

        return blocks is null ? forms.sum(0, keepdim: true) : forms;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _graphs.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The products of the rows <c>[k, P]</c>, from graphs of one kind.</summary>
    private Tensor Multiply(Tensor rows, bool byLayers)
    {
        Keep(byLayers);
        Tensor result = Objective.SumOverRanks(() => MultiplyShard(rows), rows.shape, Options.Cancellation);
        return Lambda == 0 ? result : result.add_(rows, Lambda);
    }

    /// <summary>The products of the rows <c>[k, P]</c> with the part of this rank's batches, <c>lambda I</c> apart.</summary>
    private Tensor MultiplyShard(Tensor rows)
    {
        Prepare();
        long k = rows.shape[0];
        Tensor?[] sums = new Tensor?[k];
        IReadOnlyList<Tensor>[] v = [.. Enumerable.Range(0, (int)k).Select(j => Parameters.Split(rows.select(0, j)))];
        _graphs.ForEach(batch => AddProducts((BatchLinearization)batch, v, sums), beside: rows.numel() * rows.ElementSize);
        if (sums[0] is null)
        {
            return zeros(rows.shape, DType, Device); // this rank has no data
        }

        Tensor result = k == 1 ? sums[0]!.unsqueeze(0) : stack(sums.Select(sum => sum!));
        return _graphs.Scale == 1 ? result : result.mul_(_graphs.Scale);
    }

    /// <summary>The forms of the rows <c>[k, P]</c> with the part of this rank's batches, float64 <c>[parameters, k]</c>, <c>lambda I</c> apart.</summary>
    private Tensor FormsOfShard(Tensor rows)
    {
        Prepare();
        Tensor sums = zeros([Parameters.Parameters.Count, rows.shape[0]], ScalarType.Float64, Device);
        _graphs.ForEach(batch =>
        {
            using DisposeScope scope = NewDisposeScope();
            sums.add_(((BatchLinearization)batch).Forms(rows));
        });
        return sums.mul_(_graphs.Scale);
    }

    /// <summary>Graphs of one kind are kept, whichever was asked for last: both together could take twice the memory allowed.</summary>
    private void Keep(bool byLayers)
    {
        if (_byLayers != byLayers)
        {
            _graphs.Forget();
            _byLayers = byLayers;
        }
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
