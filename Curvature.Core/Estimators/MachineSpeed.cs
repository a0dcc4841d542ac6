using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>How fast a machine moves numbers, for <see cref="JobCost"/>.</summary>
/// <param name="VectorBytes">Bytes a second that arithmetic on long vectors reads and writes.</param>
/// <param name="RankBytes">Bytes a second that a rank sends and receives at the same time while vectors are summed over ranks.</param>
public readonly record struct MachineSpeed(double VectorBytes, double RankBytes)
{
    /// <summary>Between ranks on machines of a cluster: 10 Gbit/s, slow for today.</summary>
    public const double SlowNetwork = 1.25e9;

    private const int Length = 1 << 22, Repetitions = 5;

    /// <summary>Times additions of vectors of 16 MB that no cache holds; some 50 ms. Ranks are taken to be joined by <paramref name="rankBytes"/>, which one process cannot measure.</summary>
    /// <param name="device">Where the vectors lie.</param>
    /// <param name="rankBytes">See <see cref="RankBytes"/>.</param>
    public static MachineSpeed Measure(Device device, double rankBytes = SlowNetwork)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor[] vectors = [.. Enumerable.Range(0, 4).Select(_ => ones(Length, ScalarType.Float32, device))];
        double best = double.PositiveInfinity;
        for (int i = 0; i <= Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            vectors[0].add_(vectors[1]);
            vectors[2].add_(vectors[3]);
            vectors[2][0].ToSingle(); // waits for a GPU
            best = i == 0 ? best : Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds); // the first one warms up
        }

        const double Streams = 6; // two reads and a write, twice
        return new MachineSpeed(Streams * Length * sizeof(float) / best, rankBytes);
    }
}
