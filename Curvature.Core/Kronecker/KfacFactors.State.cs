using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>State: factors, their weight and the number of updates, so that a run goes on bit for bit.</content>
public sealed partial class KfacFactors
{
    private const string UpdatesKey = "updates", WeightKey = "weight", KindsKey = "kinds";

    /// <summary>
    /// The factors as sums (<c>layer/A</c>, <c>layer/A.rows</c>, <c>layer/G</c>, <c>layer/block</c>, <c>layer/diagonal</c>), the <c>updates</c> (int64) and their <c>weight</c> (float64), and
    /// the <c>kinds</c> of the parameters' blocks (int64). Copies, the caller's to dispose. The options are not part of it: give the same again. Inverses are not part of it: make them anew.
    /// </summary>
    /// <exception cref="CurvatureException">No batch has been seen yet.</exception>
    public IReadOnlyDictionary<string, Tensor> StateDict()
    {
        using IDisposable noGrad = no_grad();
        Dictionary<string, Tensor> state = new(StringComparer.Ordinal)
        {
            [UpdatesKey] = tensor(Updates),
            [WeightKey] = tensor(_weight),
            [KindsKey] = tensor(Kinds(Registered)),
        };
        foreach (LayerStatistics block in Registered.Blocks)
        {
            foreach ((string key, DecayedSum sum) in block.Sums)
            {
                state[$"{block.Name}/{key}"] = sum.Value.clone();
            }
        }

        return state;
    }

    /// <summary>Takes over a state of <see cref="StateDict"/>: what follows is bit for bit what would have followed there.</summary>
    /// <param name="state">Copied; stays the caller's.</param>
    /// <exception cref="CurvatureException">Entries missing or left over, other shapes or dtypes: the state of another model or of other options. The factors are then as they were.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor Entry(string key) => state.TryGetValue(key, out Tensor? value) ? value : throw new CurvatureException($"The state has no '{key}'; it has {string.Join(", ", state.Keys)}.");

        Tensor Number(string key, ScalarType dtype) => Entry(key) is var value && value.dtype == dtype && value.dim() == 0 ? value : throw new CurvatureException(
            $"The state's '{key}' should be one number of {dtype}; got [{string.Join(", ", value.shape)}] of {value.dtype}.");

        long[] kinds = Entry(KindsKey) is { dtype: ScalarType.Int64 } codes && codes.numel() == Parameters.Parameters.Count
            ? codes.cpu().data<long>().ToArray()
            : throw new CurvatureException($"The state's '{KindsKey}' should be {Parameters.Parameters.Count} int64 numbers, one a parameter: it belongs to another model.");
        LayerRegistration registration = Registering(kinds, "so it was when the state was saved");
        try
        {
            if (!Kinds(registration).AsSpan().SequenceEqual(kinds))
            {
                throw new CurvatureException(
                    $"The state has other blocks than this model with these options: {string.Join(", ", Parameters.Names.Where((_, i) => Kinds(registration)[i] != kinds[i]))}.");
            }

            HashSet<string> keys = [UpdatesKey, WeightKey, KindsKey];
            foreach (LayerStatistics block in registration.Blocks.Where(b => Shares.IsOwn(b.Indices)))
            {
                foreach ((string key, DecayedSum sum) in block.Sums)
                {
                    string name = $"{block.Name}/{key}";
                    keys.Add(name);
                    sum.Load(Entry(name), name);
                    Factorisation.RequireFinite(sum.Value, block.Name);
                }
            }

            if (state.Keys.FirstOrDefault(key => !keys.Contains(key)) is { } unknown)
            {
                throw new CurvatureException($"The state's '{unknown}' belongs to no layer of this model.");
            }

            (long updates, double weight) = (Number(UpdatesKey, ScalarType.Int64).ToInt64(), Number(WeightKey, ScalarType.Float64).ToDouble());
            if (updates < 0 || !double.IsFinite(weight) || weight < 0)
            {
                throw new CurvatureException(FormattableString.Invariant($"A state has updates and a weight that are not negative; got {updates} and {weight}."));
            }

            (Updates, _weight) = (updates, weight);
        }
        catch
        {
            Release(registration);
            throw;
        }

        if (_registration is { } old)
        {
            Release(old);
        }

        (_registration, _inspected) = (registration, 0);
    }

    /// <summary>The registration that had these kinds of blocks.</summary>
    /// <param name="kinds">One a parameter.</param>
    /// <param name="why">Said where a parameter's layers cannot tell its gradients for a reason that the model does not show.</param>
    private LayerRegistration Registering(long[] kinds, string why) =>
        new(_layers, Parameters, Options, [.. kinds.Select((kind, i) => kind == (long)BlockKind.BatchDiagonal ? _layers.Obstacles[i] ?? why : _layers.Obstacles[i])]);

    private static long[] Kinds(LayerRegistration registration) => [.. registration.Report.Parameters.Select(p => (long)p.Kind)];

    private static void Release(LayerRegistration registration)
    {
        foreach (LayerStatistics block in registration.Blocks)
        {
            block.Dispose();
        }
    }

    /// <summary>Refuses a model whose layers are used otherwise than when the state was saved.</summary>
    private void RequireSame(LayerRegistration found)
    {
        bool same = Kinds(found).AsSpan().SequenceEqual(Kinds(Registered));
        string message = same ? "" : $"The loaded state, or a first batch of one row, has other blocks than this batch shows (begin with several rows):\n{Registration}now:\n{found.Report}";
        Release(found);
        if (!same)
        {
            throw new CurvatureException(message);
        }
    }
}
