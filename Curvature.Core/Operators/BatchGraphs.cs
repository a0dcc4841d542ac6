using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The batches of an objective as an operator sees them: a graph each, made in a pass over the data and kept between products within
/// <see cref="CurvatureOptions.GraphMemory"/>. It is a snapshot at theta: it holds a copy of the parameters and compares before each pass,
/// because a kept graph would go on to differentiate at the parameters it was built with.
/// </summary>
internal sealed class BatchGraphs : IDisposable
{
    private readonly Objective _objective;
    private readonly CurvatureOptions _options;
    private readonly Func<ObjectiveBatch, BatchGraph> _make;
    private readonly GraphCache _kept;
    private readonly Tensor[] _theta;
    private VersionSentinel? _sentinel;
    private double _firstTerms;
    private double _terms;
    private int _batches;
    private int _mode;

    /// <param name="objective">The loss.</param>
    /// <param name="options">How the data is worked through.</param>
    /// <param name="make">
    /// Makes a batch's graph at the present parameters. Called with gradients enabled, inside a scope; for means the batch's loss is scaled by its
    /// terms, counted in those of the first batch, before it is differentiated: batches then simply add up, and a single batch
    /// needs no scaling at all.
    /// </param>
    public BatchGraphs(Objective objective, CurvatureOptions options, Func<ObjectiveBatch, BatchGraph> make)
    {
        if (options.GraphMemory < 0)
        {
            throw new CurvatureException($"The memory for kept graphs cannot be negative; got {options.GraphMemory}.");
        }

        (_objective, _options, _make) = (objective, options, make);
        _kept = new GraphCache(objective.GraphsCanBeKept ? options.GraphMemory : 0, objective.Parameters.Device, objective.Ranks.OnThisMachine);
        using IDisposable noGrad = no_grad();
        _theta = [.. Parameters.Select(p => p.detach().clone().DetachFromDisposeScope())];
    }

    /// <summary>
    /// What the sum over the batches is multiplied by: 1, or for means the first batch's terms over those of all, the other ranks' among them, so that the ranks' sums add up. Known after a pass.
    /// </summary>
    public double Scale => _objective.Reduction == Reduction.Mean && _objective.AllTerms(_terms) is var all && all != _firstTerms ? _firstTerms / all : 1;

    private IReadOnlyList<Tensor> Parameters => _objective.Parameters.Parameters;

    /// <summary>Whether any graph may be kept.</summary>
    public bool CanKeep => _kept.CanKeep;

    /// <summary>Hands each batch's graph to <paramref name="use"/>, in order, at the present parameters; the data is touched only for graphs that are not kept.</summary>
    /// <param name="use">Uses it.</param>
    /// <param name="beside">Bytes that it takes at the first batch for what is no graph's, and that stay.</param>
    public void ForEach(Action<BatchGraph> use, long beside = 0)
    {
        FollowParameters();
        AnswerKept();
        if (!_kept.Holds(_batches))
        {
            PassOverData(use, beside);
            return;
        }

        for (int b = 0; b < _batches; b++)
        {
            _options.Cancellation.ThrowIfCancellationRequested();
            use(_kept[b]!);
        }
    }

    /// <summary>Drops the kept graphs: others of another kind are to be made in their place.</summary>
    public void Forget() => _kept.Restart();

    public void Dispose()
    {
        _kept.Dispose();
        _sentinel?.Dispose();
        foreach (Tensor part in _theta)
        {
            part.Dispose();
        }
    }

    /// <summary>Answers what kept graphs ask of the device, for one wait.</summary>
    private void AnswerKept()
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        List<(BatchGraph Graph, Tensor Question)> asked = [];
        foreach (BatchGraph graph in _kept.All)
        {
            if (graph.Question() is { } question)
            {
                asked.Add((graph, question));
            }
        }

        if (asked.Count == 0)
        {
            return;
        }

        using TensorAccessor<bool> read = cat([.. asked.Select(a => a.Question)]).cpu().data<bool>();
        bool[] answers = read.ToArray();
        int first = 0;
        foreach ((BatchGraph graph, Tensor question) in asked)
        {
            int count = (int)question.numel();
            graph.Answer(answers[first..(first + count)]);
            first += count;
        }
    }

    private void PassOverData(Action<BatchGraph> use, long beside)
    {
        (double terms, int batches) = (0, 0);
        foreach (ObjectiveBatch batch in _objective.PassOfShard(_options.Cancellation))
        {
            _firstTerms = batches == 0 ? batch.Terms : _firstTerms;
            terms += batch.Terms;
            if (_kept[batches] is { } kept)
            {
                use(kept);
            }
            else
            {
                UseFresh(batches, batch, use, beside);
            }

            batches++;
        }

        (_terms, _batches) = (terms, batches);
    }

    private void UseFresh(int index, ObjectiveBatch batch, Action<BatchGraph> use, long beside)
    {
        if (_kept.IsEmpty && _kept.CanKeep)
        {
            _sentinel?.Dispose();
            _sentinel = new VersionSentinel(Parameters.Concat(_objective.Constants));
        }

        _kept.BeforeBatch(index);
        BatchGraph fresh;
        try
        {
            fresh = Make(batch);
        }
        catch
        {
            _kept.Abandon();
            throw;
        }

        try
        {
            use(fresh);
        }
        finally
        {
            if (!fresh.CanBeKept || !_kept.TryKeep(index, batch, fresh, beside))
            {
                fresh.Dispose();
            }
        }
    }

    private BatchGraph Make(ObjectiveBatch batch)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        double weight = batch.Terms / _firstTerms;
        return _make(_objective.Reduction == Reduction.Sum || weight == 1 ? batch : batch.Weighted(weight));
    }

    /// <summary>
    /// Compares the parameters with the copy the graphs were built at; after a change the graphs go and the copy moves. A write that
    /// changed no value makes the graphs unusable too.
    /// </summary>
    private void FollowParameters()
    {
        if (_objective.Parameters.Device.type != DeviceType.CPU && FollowsUnseen())
        {
            return;
        }

        IReadOnlyList<Tensor> now = Parameters;
        int[] changed = HaveMoved() ? [.. Enumerable.Range(0, now.Count).Where(i => !SameBits(_theta[i], now[i]))] : [];
        int mode = _objective.Mode;
        if (changed.Length == 0 && (_kept.IsEmpty || (mode == _mode && _sentinel!.IsIntact())))
        {
            _mode = mode;
            return;
        }

        _mode = mode;
        if (_options.Frozen && changed.Length > 0)
        {
            throw new CurvatureException(
                $"The parameter '{_objective.Parameters.Names[changed[0]]}' changed after this operator was made, and it was told to stay Frozen. "
                + "Make a new operator at the new parameters.");
        }

        _kept.Clear();
        foreach (int i in changed)
        {
            _theta[i].copy_(now[i].detach());
        }
    }

    /// <summary>
    /// Follows the parameters without a look at their values, for which the host would wait: on a GPU nobody writes past libtorch, whose counters tell of every write. Not where graphs are in use that a write has spoilt, nor
    /// where an operator that is <c>Frozen</c> has none whose counters would tell.
    /// </summary>
    private bool FollowsUnseen()
    {
        int mode = _objective.Mode;
        if (!_kept.IsEmpty)
        {
            return mode == _mode && _sentinel!.IsIntact();
        }

        if (_options.Frozen)
        {
            return false;
        }

        _mode = mode;
        foreach ((Tensor copy, Tensor parameter) in _theta.Zip(Parameters))
        {
            copy.copy_(parameter.detach());
        }

        return true;
    }

    /// <summary>Whether any parameter differs from its copy. On a GPU all are compared first, for one synchronisation.</summary>
    private bool HaveMoved()
    {
        if (_objective.Parameters.Device.type == DeviceType.CPU)
        {
            return true; // comparing bytes one by one costs no more than this question
        }

        using DisposeScope scope = NewDisposeScope();
        return stack(_theta.Zip(Parameters, (a, b) => a.ne(b.detach()).any())).any().ToBoolean();
    }

    /// <summary>Whether two tensors hold the same values. In main memory bytes are compared, at a sixth of what the engine's comparison costs.</summary>
    private static bool SameBits(Tensor a, Tensor b) =>
        a.device.type == DeviceType.CPU && a.is_contiguous() && b.is_contiguous() && a.numel() * a.ElementSize <= int.MaxValue
            ? a.bytes.SequenceEqual(b.bytes)
            : a.Equals(b);
}
