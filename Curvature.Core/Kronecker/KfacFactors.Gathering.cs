using Curvature.Data;
using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>How a batch becomes statistics: registration at the first one, then column by column, refused as a whole where something is not finite.</content>
public sealed partial class KfacFactors
{
    /// <summary>
    /// Passes over an objective's data, of several ranks each over its own, gathering unless <paramref name="visit"/> says what to do with each column instead. What is gathered is summed over the ranks; what is visited, by the caller.
    /// </summary>
    /// <returns>What sums over the columns are to be divided by: the number of terms for means, 1 for sums.</returns>
    internal double Visit(
        Objective objective, string what, Action<PulledBack>? visit, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        double total = 0;
        objective.Together(() => total = VisitShard(objective, what, visit, progress, cancellation), cancellation);
        if (objective.Ranks.Count > 1)
        {
            RegisterAlike(objective.Ranks);
            foreach ((_, DecayedSum sum) in visit is null ? Registered.Blocks.SelectMany(b => b.Sums) : [])
            {
                sum.SumOver(objective.Ranks);
            }
        }

        return objective.Reduction == Reduction.Mean ? objective.AllTerms(total) : 1;
    }

    private double VisitShard(
        Objective objective, string what, Action<PulledBack>? visit, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        double total = 0;
        objective.EnsureDifferentiable();
        objective.EnsureDeterministic();
        int batches = 0;
        foreach (ObjectiveBatch batch in objective.PassOfShard(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            using LayerTape tape = _layers.Record();
            Tensor z, targets;
            using (enable_grad())
            {
                (z, targets) = batch.Split!.Evaluate();
            }

            tape.Stop();
            double weight = objective.Reduction == Reduction.Mean ? batch.Terms : 1;
            Gather(z, targets, batch.Split.Loss, weight, tape, (seed, i) => SampleNoise.At(seed, i, objective.RowOf(batch)), visit);
            CloseParts();
            total += weight;
            progress?.Report(new ProductProgress(what, ++batches, batches));
        }

        return total;
    }

    private void Gather(Tensor z, Tensor targets, ICurvatureLoss loss, double weight, LayerTape tape, Func<int, int, SampleNoise> noise, Action<PulledBack>? visit)
    {
        try
        {
            GatherWhole(z, targets, loss, weight, tape, noise, visit);
        }
        catch
        {
            Drop();
            throw;
        }
    }

    private void GatherWhole(Tensor z, Tensor targets, ICurvatureLoss loss, double weight, LayerTape tape, Func<int, int, SampleNoise> noise, Action<PulledBack>? visit)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long samples = z.dim() == 0 ? 1 : z.shape[0];
        (int Call, ParameterUse Use)[][] uses = _layers.UsesOf(tape, samples);
        Register(z, tape, uses);
        foreach (KroneckerUse use in visit is null ? [] : uses.SelectMany(u => u).Select(u => u.Use).OfType<KroneckerUse>())
        {
            use.Inputs.Keep(); // for each column once; second moments need them once
        }

        using OutputCurvature curvature = loss.CurvatureAt(z, targets, weight);
        _gradients.Visit(z, curvature, tape, uses, WholeBatch, noise, column =>
        {
            foreach (LayerStatistics block in visit is null ? Registered.Blocks : [])
            {
                block.AddGradients(column);
            }

            visit?.Invoke(column);
        });
        PulledBack inputs = new(uses, [], new Dictionary<int, Tensor?>());
        foreach (LayerStatistics block in visit is null ? Registered.Blocks : [])
        {
            block.EndBatch(inputs, IdentityScale(loss.Reduction, weight, samples));
        }
    }

    /// <summary>Parameters whose gradient of the whole batch is wanted.</summary>
    private int[] WholeBatch => [.. Registered.Blocks.Where(b => b.Kind == BlockKind.BatchDiagonal).Select(b => b.Indices[0])];

    private double? IdentityScale(Reduction reduction, double weight, long samples) =>
        Options.Gradients != FactorGradients.Identity ? null : reduction == Reduction.Mean ? weight : samples;

    /// <summary>The parts of a batch are all in.</summary>
    private void CloseParts()
    {
        foreach (LayerStatistics block in Blocks)
        {
            block.EndParts();
        }
    }

    /// <summary>Ends an update: refuses what is not finite, then lets the earlier updates fade.</summary>
    private void Fold(double weight)
    {
        CloseParts();
        RequireFinite();
        _present = weight;
        Commit();
    }

    /// <summary>Refuses what the present update has brought where it is not finite; one host synchronisation where it is.</summary>
    private void RequireFinite()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (string Block, string Key, Tensor Present)[] brought =
            [.. Registered.Blocks.SelectMany(b => b.Sums.Where(s => s.Sum.Present is not null).Select(s => (b.Name, s.Key, s.Sum.Present!)))];
        if (brought.Length == 0 || double.IsFinite(stack(brought.Select(b => b.Present.sum(ScalarType.Float64))).sum().ToDouble()))
        {
            return;
        }

        (string block, string key, Tensor? bad) = brought.FirstOrDefault(b => !Finite.Everywhere(b.Present));
        if (bad is not null)
        {
            Drop();
            throw new NonFiniteException(
                $"The batch's '{key}' of the layer '{block}' is NaN or infinite. The factors are as they were before it. Look for extreme inputs, a diverged model, or too large a loss scale.");
        }
    }

    private void Drop()
    {
        Forget();
        foreach (LayerStatistics block in Blocks)
        {
            block.Drop();
        }

        if (Updates == 0 && _registration is { } untried)
        {
            Release(untried); // what a batch that came to nothing seemed to show: NaN passes every check
            (_registration, _inspected) = (null, 0);
        }
    }

    private void Forget() => (_present, _parts, _rows, _isRaw, _isSum, _proposed, _isBroken) = (0, 0, 0, false, false, null, null);

    private void Register(Tensor z, LayerTape tape, (int Call, ParameterUse Use)[][] uses)
    {
        long samples = z.dim() == 0 ? 1 : z.shape[0];
        Register(samples, () => Obstacles(tape, samples, [.. _layers.Missing(z, tape, uses), .. Crossings(z, tape)]));
    }

    private void Register(long rows, Func<string?[]> inspect)
    {
        if (_inspected >= Math.Min(rows, 2))
        {
            return;
        }

        LayerRegistration found = new(_layers, Parameters, Options, inspect());
        if (_registration is null)
        {
            _registration = found;
        }
        else
        {
            RequireSame(found);
        }

        _inspected = rows;
    }

    private string?[] Obstacles(LayerTape tape, long samples, IReadOnlyList<(int Index, string Why)> found)
    {
        string?[] obstacles = [.. _layers.Obstacles];
        foreach ((int i, string why) in tape.Calls.SelectMany(call => _layers.Misfit(call, samples, folded: true) is { } why
            ? _layers.ParametersOf(call.Layer).Select(i => (i, why))
            : []).Concat(found))
        {
            obstacles[i] ??= why;
        }

        return obstacles;
    }

    private IEnumerable<(int Index, string Why)> Crossings(Tensor z, LayerTape tape) => _layers.Coupling is not null
        ? []
        : _layers.Crossings(z, tape).SelectMany(c => _layers.ParametersOf(tape.Calls[c.Call].Layer).Select(i => (i, c.Why)));
}
