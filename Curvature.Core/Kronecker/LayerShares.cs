using Curvature.Objectives;

namespace Curvature.Kronecker;

/// <summary>
/// To which rank each layer belongs: the costliest first, each to the rank that has least to do so far, so that the most loaded one has at most 4/3 of what the best division would give it (Graham 1969, Bounds on Multiprocessing Timing Anomalies). The same
/// on all ranks.
/// </summary>
internal sealed class LayerShares
{
    private readonly int[] _owners; // of the parameters
    private readonly int _rank;

    private LayerShares(int[] owners, int rank) => (_owners, _rank) = (owners, rank);

    /// <summary>A process on its own, to which all belong.</summary>
    public static LayerShares Alone { get; } = new([], 0);

    /// <summary>Divides blocks of parameters.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="parameters">How many parameters there are.</param>
    /// <param name="blocks">Positions of each block's parameters, and what it costs.</param>
    public static LayerShares Of(IRanks ranks, int parameters, IReadOnlyList<(IReadOnlyList<int> Indices, double Cost)> blocks)
    {
        int[] owners = new int[parameters];
        double[] loads = new double[ranks.Count];
        foreach ((IReadOnlyList<int> indices, double cost) in blocks.OrderByDescending(block => block.Cost))
        {
            int least = Array.IndexOf(loads, loads.Min());
            loads[least] += cost;
            foreach (int i in indices)
            {
                owners[i] = least;
            }
        }

        return new LayerShares(owners, ranks.Rank);
    }

    /// <summary>The rank of a block; that of its first parameter, should a batch show the block to be another than was foreseen.</summary>
    /// <param name="indices">Positions of its parameters.</param>
    public int OwnerOf(IReadOnlyList<int> indices) => OwnerOf(indices[0]);

    /// <summary>The rank of the block whose first parameter this is.</summary>
    public int OwnerOf(int parameter) => _owners.Length == 0 ? 0 : _owners[parameter];

    /// <summary>Whether a block belongs to this rank.</summary>
    public bool IsOwn(IReadOnlyList<int> indices) => OwnerOf(indices) == _rank;
}
