namespace Curvature.Viz.Figures;

/// <summary>Lines of one height over a grid, by marching squares with linear interpolation. Cells with a corner that is NaN are gaps.</summary>
public static class IsoLines
{
    /// <summary>The lines at <paramref name="level"/>, each as its points in order; closed ones end where they begin.</summary>
    /// <param name="x">Abscissas, ascending.</param>
    /// <param name="y">Ordinates, ascending.</param>
    /// <param name="z">Heights, a row for each ordinate.</param>
    /// <param name="level">The height.</param>
    public static IReadOnlyList<IReadOnlyList<(double X, double Y)>> Of(IReadOnlyList<double> x, IReadOnlyList<double> y, IReadOnlyList<IReadOnlyList<double>> z, double level)
    {
        Dictionary<Edge, List<Edge>> links = [];
        for (int j = 0; j + 1 < y.Count; j++)
        {
            for (int i = 0; i + 1 < x.Count; i++)
            {
                LinkCell(z, i, j, level, links);
            }
        }

        List<IReadOnlyList<(double, double)>> lines = [];
        foreach (Edge end in links.Keys.Where(edge => links[edge].Count == 1).Concat([.. links.Keys]))
        {
            if (links.ContainsKey(end))
            {
                lines.Add([.. Follow(end, links).Select(edge => edge.Crossing(x, y, z, level))]);
            }
        }

        return lines;
    }

    /// <summary>Joins the edges of a cell that the line crosses.</summary>
    private static void LinkCell(IReadOnlyList<IReadOnlyList<double>> z, int i, int j, double level, Dictionary<Edge, List<Edge>> links)
    {
        double[] corners = [z[j][i], z[j][i + 1], z[j + 1][i + 1], z[j + 1][i]]; // counter-clockwise
        if (corners.Any(corner => !double.IsFinite(corner)))
        {
            return;
        }

        Edge[] edges = [new(i, j, false), new(i + 1, j, true), new(i, j + 1, false), new(i, j, true)]; // edge k follows corner k
        int[] crossed = [.. Enumerable.Range(0, 4).Where(k => corners[k] > level != corners[(k + 1) % 4] > level)];
        if (crossed.Length == 2)
        {
            Link(edges[crossed[0]], edges[crossed[1]]);
        }
        else if (crossed.Length == 4)
        {
            // A saddle: the middle says which pair of opposite corners is joined, and the lines go round the others.
            bool joined = corners[0] > level == corners.Average() > level;
            Link(edges[0], edges[joined ? 1 : 3]);
            Link(edges[2], edges[joined ? 3 : 1]);
        }

        void Link(Edge a, Edge b)
        {
            Neighbours(a).Add(b);
            Neighbours(b).Add(a);
        }

        List<Edge> Neighbours(Edge edge) => links.TryGetValue(edge, out List<Edge>? known) ? known : links[edge] = [];
    }

    /// <summary>The chain of edges from one of them on, taken out of the links.</summary>
    private static List<Edge> Follow(Edge start, Dictionary<Edge, List<Edge>> links)
    {
        List<Edge> chain = [start];
        Edge? next = start;
        while (next is { } at)
        {
            List<Edge> neighbours = links[at];
            links.Remove(at);
            next = neighbours.Where(links.ContainsKey).Select(edge => (Edge?)edge).FirstOrDefault();
            if (next is { } following)
            {
                chain.Add(following);
            }
            else if (chain.Count > 2 && neighbours.Contains(start))
            {
                chain.Add(start); // closed
            }
        }

        return chain;
    }

    /// <summary>The edge from grid point (I, J) to the one on its right, or above it.</summary>
    private readonly record struct Edge(int I, int J, bool Upwards)
    {
        public (double X, double Y) Crossing(IReadOnlyList<double> x, IReadOnlyList<double> y, IReadOnlyList<IReadOnlyList<double>> z, double level)
        {
            (int i, int j) = Upwards ? (I, J + 1) : (I + 1, J);
            double share = (level - z[J][I]) / (z[j][i] - z[J][I]);
            return (x[I] + (share * (x[i] - x[I])), y[J] + (share * (y[j] - y[J])));
        }
    }
}
