using Curvature.Quant.Planning;

namespace Curvature.Tests.Quant.Planning;

/// <summary>Tables made to order, and every plan of a small one.</summary>
internal static class Tables
{
    /// <summary>A network with random sizes and errors that fall with bits, some layers in groups; latencies that are whole numbers make many plans cost the same.</summary>
    public static LayerTable Random(Random random, int layers, IReadOnlyList<int> bits, int groups = 0, bool wholeLatency = false) => new()
    {
        Bits = bits,
        Layers =
        [
            .. Enumerable.Range(0, layers).Select(i =>
            {
                double scale = Math.Exp(random.NextDouble() * 4), speed = 0.1 + random.NextDouble();
                return new TableLayer
                {
                    Name = $"layer{i}",
                    Parameters = random.Next(1, 5000),
                    Macs = random.Next(0, 100_000),
                    Group = groups > 0 && random.Next(2) == 0 ? $"g{random.Next(groups)}" : null,
                    AverageTrace = Math.Exp(random.NextDouble() * 3),
                    Error = bits.ToDictionary(b => b, b => scale * Math.Pow(4, -b) * (1 + (0.3 * random.NextDouble()))),
                    LatencyMs = bits.ToDictionary(b => b, b => wholeLatency ? random.Next(1, 10) : speed * (b + random.NextDouble())),
                };
            }),
        ],
    };

    /// <summary>A layer with sensitivities by bits and nothing else of note.</summary>
    public static TableLayer Layer(string name, long parameters, params (int Bits, double Sensitivity)[] sensitivities) => new()
    {
        Name = name,
        Parameters = parameters,
        Sensitivity = sensitivities.ToDictionary(s => s.Bits, s => s.Sensitivity),
    };

    /// <summary>Every plan, by going through all choices of all layers and leaving out those that split a group; sums are made here, in the layers' order.</summary>
    public static IEnumerable<Candidate> All(LayerTable table)
    {
        double[][][] numbers = [.. table.Layers.Select(layer => table.Bits.Select(b => (double[])
            [layer.Parameters * (double)b, (layer.Macs ?? 0) * (double)b * b, layer.LatencyMs?[b] ?? 0, (layer.Macs ?? 0) * (double)b, layer.Sensitivity?[b] ?? (layer.AverageTrace!.Value * layer.Error![b])]).ToArray())];
        int[] leader = [.. table.Layers.Select((layer, i) => layer.Group is null ? i : Enumerable.Range(0, i + 1).First(j => table.Layers[j].Group == layer.Group))];
        int[] at = new int[table.Layers.Count];
        while (true)
        {
            if (Enumerable.Range(0, at.Length).All(i => at[i] == at[leader[i]]))
            {
                double[] sums = new double[5];
                for (int i = 0; i < at.Length; i++)
                {
                    for (int k = 0; k < sums.Length; k++)
                    {
                        sums[k] += numbers[i][at[i]][k];
                    }
                }

                yield return new Candidate([.. at.Select(i => table.Bits[i])], sums[4], sums);
            }

            int digit = 0;
            while (digit < at.Length && ++at[digit] == table.Bits.Count)
            {
                at[digit++] = 0;
            }

            if (digit == at.Length)
            {
                yield break;
            }
        }
    }

    /// <summary>A plan and its sums, by <see cref="PlanCost"/>.</summary>
    public sealed record Candidate(int[] Bits, double Objective, double[] Sums)
    {
        public double Cost(PlanCost cost) => Sums[(int)cost];
    }
}
