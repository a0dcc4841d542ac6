namespace Curvature.Quant.Planning;

/// <summary>
/// The plan of least objective within several limits, exact: branch and bound. A node is the problem with some units settled; its Lagrangian bound leaves plans open, which are enumerated
/// (<see cref="BoundedEnumeration"/>). Where they are too many, as when a large group stands across a limit, the node is split by the choices of the unit that differ most in what they
/// spend. Nodes of the smallest bound come first.
/// </summary>
internal static class LimitedSearch
{
    /// <summary>The choices of the best plan, an index into each unit's own list; null where no plan keeps the limits, which only trying all can tell.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static int[]? Solve(ChoiceTable table, CancellationToken cancellation)
    {
        double best = double.PositiveInfinity;
        int[]? plan = null;
        var nodes = new PriorityQueue<(ChoiceTable Table, BoundedEnumeration Search), double>();
        Enqueue(table);
        while (nodes.TryDequeue(out (ChoiceTable Table, BoundedEnumeration Search) node, out _))
        {
            node.Search.Best = best;
            if (!node.Search.IsOpen)
            {
                break; // nor is any other
            }

            bool complete = node.Search.Run();
            (best, plan) = (node.Search.Best, node.Search.Plan ?? plan);
            if (complete || !node.Search.IsOpen)
            {
                continue;
            }

            (int unit, int[][] open) = node.Search.Branching();
            foreach (int choice in open[unit])
            {
                Enqueue(node.Table.With(open, unit, choice));
            }
        }

        return plan;

        void Enqueue(ChoiceTable part)
        {
            if (part.CanKeepLimits)
            {
                var search = new BoundedEnumeration(part, cancellation) { Best = best };
                if (search.IsOpen)
                {
                    nodes.Enqueue((part, search), search.Bound);
                }
            }
        }
    }
}
