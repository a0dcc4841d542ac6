namespace Curvature.Quant.Planning;

/// <summary>Plans for the first few units, each with its sums and the one it extends.</summary>
internal sealed class PartialPlans
{
    private readonly int _costs;

    public PartialPlans(PartialPlans? before, int capacity, int costs)
    {
        (Before, _costs) = (before, costs);
        (Objective, Regret, Cost) = (new double[capacity], new double[capacity], new double[capacity * costs]);
        (Parent, Choice) = (new int[capacity], new byte[capacity]);
    }

    public PartialPlans? Before { get; }

    public int Count { get; private set; }

    /// <summary>Sum of objectives.</summary>
    public double[] Objective { get; }

    /// <summary>By how much the priced sum exceeds the least.</summary>
    public double[] Regret { get; }

    /// <summary>K sums a plan.</summary>
    public double[] Cost { get; }

    /// <summary>Index into <see cref="Before"/>.</summary>
    public int[] Parent { get; }

    public byte[] Choice { get; }

    /// <summary>Adds a plan, whose costs the caller has written behind the last.</summary>
    public void Add(double objective, double regret, int parent, byte choice)
    {
        (Objective[Count], Regret[Count], Parent[Count], Choice[Count]) = (objective, regret, parent, choice);
        Count++;
    }

    /// <summary>Some of the plans.</summary>
    public PartialPlans Take(ReadOnlySpan<int> indices)
    {
        var some = new PartialPlans(Before, indices.Length, _costs);
        foreach (int i in indices)
        {
            Array.Copy(Cost, i * _costs, some.Cost, some.Count * _costs, _costs);
            some.Add(Objective[i], Regret[i], Parent[i], Choice[i]);
        }

        return some;
    }

    /// <summary>The same in no more room than they need.</summary>
    public PartialPlans Trimmed()
    {
        var trimmed = new PartialPlans(Before, Count, _costs) { Count = Count };
        Objective.AsSpan(0, Count).CopyTo(trimmed.Objective);
        Regret.AsSpan(0, Count).CopyTo(trimmed.Regret);
        Cost.AsSpan(0, Count * _costs).CopyTo(trimmed.Cost);
        Parent.AsSpan(0, Count).CopyTo(trimmed.Parent);
        Choice.AsSpan(0, Count).CopyTo(trimmed.Choice);
        return trimmed;
    }

    /// <summary>Of plans under several costs, those that no other beats or equals in objective and all costs; above two some that are beaten may stay.</summary>
    public PartialPlans Undominated()
    {
        int[] order = new int[Count];
        double[] first = new double[Count];
        for (int i = 0; i < Count; i++)
        {
            (order[i], first[i]) = (i, Cost[i * _costs]);
        }

        Array.Sort(first, order);
        return Take(_costs == 2 ? AlongTwo(order) : AlongMany(order));
    }

    /// <summary>Of all plans so far, which cost no more of the first, a staircase: second cost ascending, objective descending.</summary>
    private int[] AlongTwo(int[] order)
    {
        var kept = new List<int>();
        List<double> cost = [], objective = [];
        foreach (int i in order)
        {
            double second = Cost[(i * 2) + 1];
            int at = cost.BinarySearch(second);
            int step = at >= 0 ? at : ~at - 1; // the last that costs no more
            if (step >= 0 && objective[step] <= Objective[i])
            {
                continue;
            }

            kept.Add(i);
            int from = at >= 0 ? at : step + 1, to = from;
            while (to < cost.Count && objective[to] >= Objective[i])
            {
                to++;
            }

            cost.RemoveRange(from, to - from);
            objective.RemoveRange(from, to - from);
            cost.Insert(from, second);
            objective.Insert(from, Objective[i]);
        }

        return [.. kept];
    }

    private int[] AlongMany(int[] order)
    {
        const int Window = 64;
        var kept = new List<int>();
        foreach (int i in order)
        {
            bool beaten = false;
            for (int j = kept.Count - 1; j >= Math.Max(0, kept.Count - Window) && !beaten; j--)
            {
                beaten = Beats(kept[j], i);
            }

            if (!beaten)
            {
                kept.Add(i);
            }
        }

        return [.. kept];
    }

    private bool Beats(int a, int b)
    {
        bool beats = Objective[a] <= Objective[b];
        for (int k = 0; k < _costs && beats; k++)
        {
            beats = Cost[(a * _costs) + k] <= Cost[(b * _costs) + k];
        }

        return beats;
    }
}
