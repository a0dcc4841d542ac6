using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// A loss over a data set as a function of chosen parameters,
/// <c>L(theta) = sum_b w_b loss_b(theta) / sum_b w_b + (lambda/2) |theta|^2</c> with <c>w_b</c> the number of loss terms of batch b (mean
/// reduction), or <c>sum_b loss_b(theta) + (lambda/2) |theta|^2</c> (sum reduction): what training on the whole data set would minimise,
/// however ragged the batches.
/// <para>
/// It owns neither model nor data. The model's mode (train or eval) is the caller's choice. No call leaves a trace: parameters,
/// <c>.grad</c>, running statistics and the random state are afterwards as they were before.
/// </para>
/// <para>The data may be spread over several processes (<see cref="Ranks"/>): each holds a shard, and all have the sums over all of them.</para>
/// </summary>
public abstract partial class Objective
{
    private const string NoTerms = "The data has no loss terms: it is empty, or every term is ignored or has weight 0.";

    /// <param name="parameters">theta.</param>
    /// <param name="reduction">How batches combine.</param>
    /// <param name="l2">lambda, not negative.</param>
    protected Objective(ParameterSpace parameters, Reduction reduction, double l2)
    {
        if (!double.IsFinite(l2) || l2 < 0)
        {
            throw new CurvatureException($"The L2 coefficient is a finite number that is not negative; got {l2}.");
        }

        Parameters = parameters;
        Reduction = reduction;
        L2 = l2;
    }

    /// <summary>theta: the chosen parameters.</summary>
    public ParameterSpace Parameters { get; }

    /// <summary>How batches combine.</summary>
    public Reduction Reduction { get; }

    /// <summary>lambda of the term <c>(lambda/2) |theta|^2</c>, counted once; it adds <c>lambda I</c> to a Hessian.</summary>
    public double L2 { get; }

    /// <summary>
    /// Whether model and loss are apart (<see cref="ObjectiveBatch.Split"/>), as Gauss-Newton and Fisher matrices need them: for
    /// <see cref="Supervised"/> with an <see cref="ICurvatureLoss"/> and <see cref="FromSplit"/>.
    /// </summary>
    public virtual bool IsSplit => false;

    /// <summary>
    /// Whether a batch's graph stays valid while other batches are evaluated: not where evaluating moves running statistics that must be
    /// put back.
    /// </summary>
    protected internal virtual bool GraphsCanBeKept => true;

    /// <summary>The model whose layers can be looked at while the loss is evaluated; null where there is none or it has no hooks (closures, TorchScript).</summary>
    internal virtual nn.Module? Model => null;

    /// <summary>Tensors that the loss reads beside the chosen parameters, as far as they are known: a kept graph is void once one is written to.</summary>
    protected internal virtual IEnumerable<Tensor> Constants => [];

    /// <summary>A number that changes when parts of the model go from train to eval mode or back, or a chosen parameter is frozen or thawed: checks and graphs belong to one mode.</summary>
    protected internal virtual int Mode => 0;

    /// <summary>A model and a loss over batches of inputs and targets.</summary>
    /// <param name="model">An <c>IModule&lt;Tensor, Tensor&gt;</c>; TorchScript modules are. Floating-point inputs are cast to the parameters' dtype, integers never.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>.</param>
    /// <param name="batches">
    /// Enumerated once a pass; must give the same batches each time. A list is best. A streamed source disposes its own batches, as TorchSharp's
    /// DataLoader does when it moves on.
    /// </param>
    /// <param name="parameters">Default: all trainable parameters of the model.</param>
    /// <param name="l2">lambda.</param>
    /// <param name="ranks">Those who share the data, <paramref name="batches"/> being this rank's; null: all of it is here.</param>
    public static Objective Supervised(
        nn.Module model, ISupervisedLoss loss, IEnumerable<Batch> batches, ParameterSpace? parameters = null, double l2 = 0, IRanks? ranks = null) =>
        new SupervisedObjective(model, loss, batches, parameters ?? ParameterSpace.Of(model), l2) { Ranks = ranks ?? OneRank.Instance };

    /// <summary>Any differentiable loss: physics-informed networks, language models, losses without targets.</summary>
    /// <param name="parameters">theta.</param>
    /// <param name="batches">Enumerated once a pass; must give the same batches each time.</param>
    /// <param name="loss">The batch's loss, a scalar: the mean (or sum) over its terms.</param>
    /// <param name="terms">The number of terms of a batch, e.g. its rows or its valid tokens; not used for sums.</param>
    /// <param name="reduction">What <paramref name="loss"/> returns.</param>
    /// <param name="l2">lambda.</param>
    /// <param name="module">The module that the closure evaluates, whose running statistics are then put back after each pass.</param>
    /// <param name="ranks">Those who share the data, <paramref name="batches"/> being this rank's; null: all of it is here.</param>
    public static Objective FromClosure<TBatch>(
        ParameterSpace parameters,
        IEnumerable<TBatch> batches,
        Func<TBatch, Tensor> loss,
        Func<TBatch, double> terms,
        Reduction reduction = Reduction.Mean,
        double l2 = 0,
        nn.Module? module = null,
        IRanks? ranks = null) => new ClosureObjective<TBatch>(parameters, batches, loss, terms, reduction, l2, module) { Ranks = ranks ?? OneRank.Instance };

    /// <summary>
    /// A model and a loss taken apart by the caller, for models that are no <c>IModule&lt;Tensor, Tensor&gt;</c>: what Gauss-Newton and Fisher
    /// matrices need and a closure of the loss alone cannot give.
    /// </summary>
    /// <param name="parameters">theta.</param>
    /// <param name="batches">Enumerated once a pass; must give the same batches each time.</param>
    /// <param name="forward">The batch's outputs, a differentiable function of theta.</param>
    /// <param name="targets">The batch's targets.</param>
    /// <param name="loss">See <see cref="KnownLosses"/>; its reduction becomes the objective's.</param>
    /// <param name="l2">lambda.</param>
    /// <param name="module">The module that the closure evaluates, whose running statistics are then put back after each pass.</param>
    /// <param name="ranks">Those who share the data, <paramref name="batches"/> being this rank's; null: all of it is here.</param>
    public static Objective FromSplit<TBatch>(
        ParameterSpace parameters,
        IEnumerable<TBatch> batches,
        Func<TBatch, Tensor> forward,
        Func<TBatch, Tensor> targets,
        ICurvatureLoss loss,
        double l2 = 0,
        nn.Module? module = null,
        IRanks? ranks = null) => new SplitObjective<TBatch>(parameters, batches, forward, targets, loss, l2, module) { Ranks = ranks ?? OneRank.Instance };

    /// <summary>The objective's value; one forward pass over the data.</summary>
    /// <exception cref="NonFiniteException">The loss of a batch is NaN or infinite.</exception>
    public double Value(CancellationToken cancellation = default)
    {
        using IDisposable noGrad = no_grad();
        double value = SumOverRanks(() => ValueOfShard(cancellation), cancellation);
        if (L2 == 0)
        {
            return value;
        }

        using Tensor theta = Parameters.Snapshot();
        return value + (L2 / 2 * Math.Pow(Precision.Norm(theta), 2));
    }

    /// <summary>The gradient <c>dL/dtheta</c>, <c>[P]</c> of the parameters' dtype, in the caller's scope; one forward and backward pass over the data.</summary>
    /// <exception cref="NonFiniteException">An entry is NaN or infinite; the message names the parameter.</exception>
    public Tensor Gradient(CancellationToken cancellation = default)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = SumOverRanks(() => GradientOfShard(cancellation), [Parameters.Count], cancellation);
        using IDisposable noGrad = no_grad();
        if (L2 != 0)
        {
            sum.add_(Parameters.Snapshot().mul_(L2));
        }

        CheckFinite(sum, "gradient");
        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>The batches of one pass, in order, not yet evaluated.</summary>
    protected internal abstract IEnumerable<ObjectiveBatch> Batches();

    /// <summary>The model's running statistics, put back on disposal; null where evaluation changes nothing.</summary>
    protected internal virtual IDisposable? PreserveState() => null;

    /// <summary>A loss with the same operators as the batches' but over few rows, where that can be had.</summary>
    protected virtual Tensor SmallLoss() => FirstLoss();

    /// <summary>The loss of the first batch that has terms, evaluated while its enumerator still holds the batch.</summary>
    protected Tensor FirstLoss()
    {
        foreach (ObjectiveBatch batch in OutsideScope(Batches()))
        {
            if (batch.Terms != 0)
            {
                return batch.Loss();
            }
        }

        throw new CurvatureException(NoTerms);
    }

    /// <summary>
    /// Enumerates a source of batches so that what it makes stays its own: in the caller's scope a streamed data set would pile up over the pass,
    /// and one that keeps its batches for the next pass would find them disposed.
    /// </summary>
    private protected static IEnumerable<T> OutsideScope<T>(IEnumerable<T> source)
    {
        using IEnumerator<T> items = source.GetEnumerator();
        while (Advance(items))
        {
            yield return items.Current;
        }

        static bool Advance(IEnumerator<T> items)
        {
            using DisposeScope scope = NewDisposeScope();
            bool moved = items.MoveNext();
            scope.Detach(scope.DisposablesView);
            return moved;
        }
    }

    /// <summary>One pass over all data, with cancellation, state preservation and refusal of an empty data set.</summary>
    /// <exception cref="CurvatureException">The data has no loss terms, or is spread over several ranks.</exception>
    internal IEnumerable<ObjectiveBatch> Pass(CancellationToken cancellation) => RequireOneRank("What was asked for").PassOfShard(cancellation);

    /// <summary>Refuses an objective whose model and loss are not apart.</summary>
    /// <param name="wanted">What needs them apart, e.g. <c>The GGN</c>.</param>
    /// <exception cref="CurvatureException">Not split.</exception>
    internal Objective RequireSplit(string wanted) => IsSplit
        ? this
        : throw new CurvatureException(
            $"{wanted} needs model and loss apart, and this objective gives only the loss's value. Make it with Objective.FromSplit, or with "
            + $"Objective.Supervised and one of the losses {string.Join(", ", KnownLosses.Names)}.");

    /// <summary>Refuses an objective that sums its terms: its batches' Hessians grow with the batch, and none is near that of all samples.</summary>
    /// <param name="wanted">What compares batches, e.g. <c>The noise between samples</c>.</param>
    /// <exception cref="CurvatureException">Its reduction is the sum.</exception>
    internal Objective RequireMean(string wanted) => Reduction == Reduction.Mean
        ? this
        : throw new CurvatureException($"{wanted} is about batches that stand for all samples: expected {nameof(Reduction)}.{nameof(Reduction.Mean)}; got {Reduction}. Make the objective with the mean, and multiply by the number of terms what you need of the sum.");

    /// <summary>Hands <paramref name="use"/> a batch of few rows where that can be had, else the first, with model and loss apart, while its enumerator still holds it.</summary>
    internal virtual T OnFewRows<T>(Func<SplitBatch, T> use)
    {
        using Undisturbed state = new(this);
        foreach (ObjectiveBatch batch in OutsideScope(Batches()))
        {
            if (batch.Terms != 0)
            {
                return use(batch.Split!);
            }
        }

        throw new CurvatureException(NoTerms);
    }

    /// <summary>Adds <c>scale * parts</c> to a vector <c>[P]</c>, null parts being zero.</summary>
    internal void Accumulate(Tensor vector, IReadOnlyList<Tensor?> parts, double scale) => Parameters.Accumulate(vector, parts, scale);

    /// <summary>Refuses a vector <c>[P]</c> that is not finite, naming the first parameter where it is not.</summary>
    internal void CheckFinite(Tensor vector, string what)
    {
        using DisposeScope scope = NewDisposeScope();
        if (Finite.Everywhere(vector))
        {
            return;
        }

        IReadOnlyList<Tensor> parts = Parameters.Split(vector);
        int bad = Enumerable.Range(0, parts.Count).First(i => !Finite.Everywhere(parts[i]));
        throw new NonFiniteException($"The {what} is not finite, first at parameter '{Parameters.Names[bad]}'. {Suspect()}");
    }

    /// <summary>This rank's part of the value, without L2.</summary>
    private double ValueOfShard(CancellationToken cancellation)
    {
        double sum = 0, terms = 0;
        foreach (ObjectiveBatch batch in PassOfShard(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            double loss = batch.Loss().ToDouble();
            if (!double.IsFinite(loss))
            {
                throw new NonFiniteException($"The loss of batch {batch.Index} is {loss}. {Suspect()}");
            }

            sum += batch.Terms * loss;
            terms += batch.Terms;
        }

        return Reduction == Reduction.Mean ? sum / AllTerms(terms) : sum;
    }

    /// <summary>This rank's part of the gradient, without L2.</summary>
    private Tensor GradientOfShard(CancellationToken cancellation)
    {
        EnsureDifferentiable();
        Tensor sum = zeros(Parameters.Count, Parameters.DType, Parameters.Device);
        double terms = 0;
        foreach (ObjectiveBatch batch in PassOfShard(cancellation))
        {
            using DisposeScope inner = NewDisposeScope();
            using IDisposable grad = enable_grad();
            Accumulate(sum, Gradients.Of(batch.Loss(), Parameters.Parameters, createGraph: false), batch.Terms);
            terms += batch.Terms;
        }

        using IDisposable noGrad = no_grad();
        return Reduction == Reduction.Mean ? sum.div_(AllTerms(terms)) : sum;
    }

    private string Suspect()
    {
        using DisposeScope scope = NewDisposeScope();
        for (int i = 0; i < Parameters.Parameters.Count; i++)
        {
            if (!Parameters.Parameters[i].isfinite().all().ToBoolean())
            {
                return $"The parameter '{Parameters.Names[i]}' itself holds NaN or infinity: the checkpoint is damaged or training diverged.";
            }
        }

        return "The parameters are finite: look for extreme inputs, a logarithm or a division in the model, or use float64.";
    }

    /// <summary>Puts running statistics and the global random state back as they were.</summary>
    private protected sealed class Undisturbed(Objective objective) : IDisposable
    {
        private readonly IDisposable? _statistics = objective.PreserveState();
        private readonly Tensor _random = random.get_rng_state().DetachFromDisposeScope();

        public void Dispose()
        {
            random.set_rng_state(_random);
            _random.Dispose();
            _statistics?.Dispose();
        }
    }
}
