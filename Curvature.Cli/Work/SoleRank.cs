using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>One process that works alone and leaves others their parts of the machine, for which it looks at memory.</summary>
/// <param name="onThisMachine">How many there will be, this one among them.</param>
internal sealed class SoleRank(int onThisMachine) : IRanks
{
    public int Rank => 0;

    public int Count => 1;

    public int OnThisMachine => onThisMachine;

    public void Sum(Tensor values)
    {
    }

    public void Barrier()
    {
    }
}
