using Curvature.Kronecker;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <content>Factors and inverses as part of the optimizer's state: each block's tensors in the state of its first parameter, of several ranks on the one that the layer belongs to.</content>
public sealed partial class KfacOptimizer
{
    private const string Factor = "factor ", Inverse = "inverse ", Kinds = "factor kinds", LastSamples = "samples";
    private KfacFactors? _factors;
    private Tensor? _kinds; // the state's, as long as the state is ours
    private (IRanks Ranks, int Parameters, LayerShares Of)? _shares;

    /// <inheritdoc/>
    private protected override void Divide()
    {
        Forget(); // what was made for one process alone
        for (int i = 0; i < Parameters.Count; i++)
        {
            int parameter = i;
            State(i).Divided = new OwnedTensors(IsOfLayer, () => Shares().OwnerOf(parameter), Ranks);
        }
    }

    /// <summary>Whether a tensor of a state is a block's: the others are on every rank.</summary>
    private static bool IsOfLayer(string name) =>
        name.StartsWith(Inverse, StringComparison.Ordinal) || (name.StartsWith(Factor, StringComparison.Ordinal) && name.Contains('/', StringComparison.Ordinal));

    /// <summary>To which rank each layer belongs.</summary>
    private LayerShares Shares()
    {
        if (Ranks.Count == 1)
        {
            return LayerShares.Alone;
        }

        if (_shares is not var (ranks, parameters, shares) || !ReferenceEquals(ranks, Ranks) || parameters != Parameters.Count)
        {
            using KfacFactors bare = new(Model, NamedParameters.In(Model, Parameters), Settings.Factors);
            shares = bare.Divided(Ranks, Settings.LargestBlock);
            _shares = (Ranks, Parameters.Count, shares);
        }

        return shares;
    }

    private void Forget()
    {
        ForgetPasses();
        _factors?.Dispose();
        (_factors, _kinds) = (null, null);
        _inverses.Clear();
    }

    /// <summary>The factors that the state holds: made anew where a state was loaded or moved, or groups have been added before the first step.</summary>
    private KfacFactors Factors()
    {
        Tensor? kinds = State(0).Find(Kinds);
        if (_factors is not null && ReferenceEquals(kinds, _kinds) && _factors.Parameters.Parameters.Count == Parameters.Count)
        {
            return _factors;
        }

        if (kinds is not null && kinds.numel() != Parameters.Count)
        {
            throw new CurvatureException($"The factors are those of {kinds.numel()} parameters, and now there are {Parameters.Count}: add all groups before the first step.");
        }

        Forget();
        _factors = new KfacFactors(Model, NamedParameters.In(Model, Parameters), Settings.Factors) { Shares = Shares() };
        if (kinds is not null)
        {
            Dictionary<string, Tensor> saved = Enumerable.Range(0, Parameters.Count).SelectMany(i => Named(i, Factor)).ToDictionary();
            _factors.LoadStateDict(saved);
            _inverses.Restore(_factors, i => Named(i, Inverse).ToDictionary(part => part.Key, part => part.Value.alias()));
            ShareFactors(_factors); // last: a state that is refused is so each time it is looked at
        }

        return _factors;
    }

    /// <summary>The tensors of a parameter's state whose names begin so, by the rest.</summary>
    private IEnumerable<KeyValuePair<string, Tensor>> Named(int i, string prefix) => State(i).Names
        .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
        .Select(name => KeyValuePair.Create(name[prefix.Length..], State(i).Find(name)!));

    /// <summary>Gives the state handles of the factors' tensors, in the first parameter of each block, and what changes with an update.</summary>
    private void ShareFactors(KfacFactors factors)
    {
        NamedState all = State(0);
        if (_kinds is null)
        {
            foreach ((int parameter, string key, Tensor value) in factors.Shared)
            {
                State(parameter).Keep(Factor + key, value.alias());
            }

            all.Keep(Kinds, factors.KindsOfBlocks());
            _kinds = all.Find(Kinds);
        }

        all.Set(Factor + "updates", tensor(factors.Updates));
        all.Set(Factor + "weight", tensor(factors.Weight));
    }

    private void ShareInverses()
    {
        foreach ((int parameter, string key, Tensor value) in _inverses.Parts)
        {
            State(parameter).Keep(Inverse + key, value.alias());
        }
    }
}
