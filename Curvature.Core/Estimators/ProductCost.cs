using System.Diagnostics;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// What products over data cost. A pass builds the graph of first derivatives of each batch, unless it was kept from the pass before, and takes
/// its products with all vectors of the pass: <c>seconds = Graph (samples not kept) passes + Product (samples) (vectors in all)</c>.
/// </summary>
/// <param name="Graph">Seconds a sample for the graph.</param>
/// <param name="Product">Seconds a sample for each product on it.</param>
/// <param name="Kept">Samples whose graphs fit into the memory for kept graphs.</param>
public readonly record struct ProductCost(double Graph, double Product, long Kept = 0)
{
    private const int Few = 2, Columns = 4, Repetitions = 5;

    // Slower products than the first of these, in seconds, are timed twice, for the faster of both times; slower ones than the second once.
    private const double Slow = 0.3, VerySlow = 5;

    /// <value>Seconds a sample for each quadratic form where they are not made of products (<see cref="LinearOperator.QuadraticForms"/>); null (default): those of a product.</value>
    public double? Form { get; init; }

    /// <value>Bytes a sample of a kept graph, as far as they can be seen: 0 for the smallest networks, and on a GPU that does not tell of its memory.</value>
    public double GraphBytes { get; init; }

    /// <summary>The cost on a machine that is slower by <paramref name="factor"/>.</summary>
    public ProductCost Scaled(double factor) => this with { Graph = factor * Graph, Product = factor * Product, Form = factor * Form };

    /// <summary>Seconds for <paramref name="vectors"/> products in <paramref name="passes"/> passes over the data.</summary>
    public double Seconds(long samples, int passes, int vectors) =>
        (Graph * (Math.Min(samples, Kept) + ((double)passes * Math.Max(0, samples - Kept)))) + (Product * samples * vectors);

    /// <summary>Seconds for the quadratic forms of <paramref name="vectors"/> in <paramref name="passes"/> passes over the data.</summary>
    public double SecondsOfForms(long samples, int passes, int vectors) => (this with { Product = Form ?? Product }).Seconds(samples, passes, vectors);

    /// <summary>Times products over one batch, with whatever else the machine has to do. A dozen products.</summary>
    /// <param name="make">
    /// Makes the operator over that batch with the options it is given. Its first product finds out whether model, data and loss fit each other
    /// and whether the model draws random numbers: before any long work.
    /// </param>
    /// <param name="samples">Samples in the batch.</param>
    /// <param name="forms">Whether quadratic forms are timed too, where they are not made of products: some ten more.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static ProductCost Measure(Func<CurvatureOptions, CurvatureOperator> make, long samples, bool forms = false, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(make);
        (long kept, double graphBytes) = SamplesKept(make, samples, cancellation); // the warm-up, too
        using DisposeScope scope = NewDisposeScope();
        using CurvatureOperator fresh = make(new CurvatureOptions { GraphMemory = 0, Cancellation = cancellation });
        Tensor V = ones([fresh.Columns, Columns], fresh.DType, fresh.Device);
        double several = Time(() => fresh.Apply(V).Dispose());

        // Not one vector: its graph, made for it alone, may be of another kind (a convolutional network's Hessian is whole there and cut here), and the difference would be one of kinds.
        Tensor few = V.narrow(1, 0, Few).contiguous();
        double two = Time(() => fresh.Apply(few).Dispose()), step = Math.Max(0, (several - two) / (Columns - Few));
        ProductCost cost = Of(Math.Max(two - step, two / Few), several, Columns, samples) with { Kept = kept, GraphBytes = graphBytes };
        if (!forms || fresh is not HessianOperator hessian)
        {
            return cost;
        }

        Tensor v = V.narrow(1, 0, 1).contiguous();
        hessian.QuadraticForms(v); // looks at the layers
        return hessian.LayersObstacle is null ? cost.WithForms(Time(() => hessian.QuadraticForms(v)), Time(() => hessian.QuadraticForms(V)), Columns, samples) : cost;
    }

    /// <summary>
    /// The cost by the times of two passes over the same samples: <c>one = graph + product</c> and <c>several = graph + k product</c>. Where another process slowed one of them down, the difference says nothing; a product is then taken
    /// to be at least a quarter of a pass with one vector (they were measured to be a third to two thirds), so that no plan is made of products for nothing, and at most its share of a pass with several.
    /// </summary>
    /// <param name="one">Seconds with one vector.</param>
    /// <param name="several">Seconds with k vectors.</param>
    /// <param name="columns">k, at least 2.</param>
    /// <param name="samples">Samples in the pass.</param>
    public static ProductCost Of(double one, double several, int columns, long samples)
    {
        double product = Math.Max(Math.Min((several - one) / (columns - 1), several / columns), one / 4);
        return new ProductCost(Math.Max(one - product, 0) / samples, product / samples);
    }

    /// <summary>
    /// The same with quadratic forms by the times of two passes, as <see cref="Of"/> does it for products: forms are taken from graphs of their own kind, of which the two passes have one each. At least a quarter of a product, as
    /// products are of a pass.
    /// </summary>
    /// <param name="one">Seconds with one vector.</param>
    /// <param name="several">Seconds with k vectors.</param>
    /// <param name="columns">k, at least 2.</param>
    /// <param name="samples">Samples in the pass.</param>
    public ProductCost WithForms(double one, double several, int columns, long samples) =>
        this with { Form = Math.Max(Math.Min((several - one) / (columns - 1), several / columns) / samples, Product / 4) };

    /// <summary>
    /// How many graphs fit, and the bytes of one sample's. From the growth of the process while it keeps one batch's graph for the first time, which what else grows then makes larger, and what the process has freed before and kept (<see cref="FreedMemory"/>) smaller: at least what the graph itself takes. On a
    /// GPU that does not tell of its memory one batch is kept, see <see cref="CurvatureOptions.GraphMemory"/>; and that is all that is sure where a GPU's memory does not grow, in what libtorch had of it already.
    /// </summary>
    private static (long Kept, double BytesEach) SamplesKept(Func<CurvatureOptions, CurvatureOperator> make, long samples, CancellationToken cancellation)
    {
        long before = Environment.WorkingSet;
        using CurvatureOperator keeping = make(new CurvatureOptions { Cancellation = cancellation });
        using Tensor v = ones(keeping.Columns, keeping.DType, keeping.Device);
        bool isHost = keeping.Device.type == DeviceType.CPU;
        _ = isHost ? null : DeviceMemory.FreeAfterRelease(keeping.Device);
        long? taken = DeviceMemory.Taken(keeping.Device);
        keeping.Apply(v).Dispose();
        if (DeviceMemory.Free(keeping.Device) is not { } free || taken is null)
        {
            return (samples, 0);
        }

        double graphs = Math.Max(0, DeviceMemory.Taken(keeping.Device)!.Value - taken.Value);
        if (!isHost && graphs == 0)
        {
            return (samples, 0);
        }

        double grown = Math.Max(isHost ? Math.Max(graphs, Environment.WorkingSet - before) : graphs, 1);
        return ((long)Math.Min(free / 2 / grown * samples, long.MaxValue / 2), graphs / samples);
    }

    /// <summary>The median of some products, the lower one of two.</summary>
    private static double Time(Action products)
    {
        var times = new List<double>();
        while (times.Count < Repetitions && (times.Count == 0 || times[0] < (times.Count == 1 ? VerySlow : Slow)))
        {
            long start = Stopwatch.GetTimestamp();
            products();
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return times.Order().ElementAt((times.Count - 1) / 2);
    }
}
