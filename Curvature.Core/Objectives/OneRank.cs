using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>A process on its own: its sums are what they are. What every objective has unless it is told otherwise.</summary>
public sealed class OneRank : IRanks
{
    private OneRank()
    {
    }

    /// <summary>The one there is.</summary>
    public static OneRank Instance { get; } = new();

    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Count => 1;

    /// <inheritdoc/>
    public int OnThisMachine => 1;

    /// <inheritdoc/>
    public void Sum(Tensor values)
    {
    }

    /// <inheritdoc/>
    public void SumTo(Tensor values, int to)
    {
    }

    /// <inheritdoc/>
    public double Sum(double value) => value;

    /// <inheritdoc/>
    public void Broadcast(Tensor values, int from = 0)
    {
    }

    /// <inheritdoc/>
    public void Barrier()
    {
    }
}
