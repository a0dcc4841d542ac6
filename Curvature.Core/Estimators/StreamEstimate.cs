namespace Curvature.Estimators;

/// <summary>What one stream of products says of a matrix. Dispose it to release the diagonal.</summary>
public sealed class StreamEstimate : IDisposable
{
    private readonly int _seed;
    private readonly long _dimension;
    private readonly StreamSamples _samples;

    internal StreamEstimate(
        TraceEstimate trace, Estimate frobeniusSquared, DiagonalEstimate? diagonal, Estimate? sumOfSquares, int seed, long dimension, StreamSamples samples)
    {
        (Trace, FrobeniusSquared, Diagonal, DiagonalSquares) = (trace, frobeniusSquared, diagonal, sumOfSquares);
        (_seed, _dimension, _samples) = (seed, dimension, samples);
    }

    /// <summary>Trace of the matrix and of its layers' blocks.</summary>
    public TraceEstimate Trace { get; }

    /// <summary><c>|A|_F^2</c>, unbiased.</summary>
    public Estimate FrobeniusSquared { get; }

    /// <summary><c>|A|_F</c>: the root of <see cref="FrobeniusSquared"/>, with its error carried over.</summary>
    public Estimate Frobenius => FrobeniusNorm.Root(FrobeniusSquared);

    /// <summary>The diagonal, where it was kept.</summary>
    public DiagonalEstimate? Diagonal { get; }

    /// <summary><c>sum_i A_ii^2</c>, unbiased, where it was asked for.</summary>
    public Estimate? DiagonalSquares { get; }

    /// <summary>Products spent.</summary>
    public int Products => Trace.Total.Products;

    /// <summary>
    /// This trace minus that of an earlier stream with the same seed, for example at an earlier checkpoint: the same probes meet both matrices, and what they have in common
    /// drops out of each pair. The standard error is that of the paired differences, far below the two traces' own where the matrices are alike.
    /// </summary>
    /// <exception cref="CurvatureException">Another seed or dimension: the probes are not the same.</exception>
    public Estimate DifferenceFrom(StreamEstimate earlier)
    {
        RequireSameProbes(earlier);
        return Paired(earlier, s => s._samples.Sums, s => s.Trace.Total);
    }

    /// <summary>As <see cref="DifferenceFrom"/>, with each layer's difference.</summary>
    /// <exception cref="CurvatureException">Another seed or dimension, or other layers.</exception>
    public TraceEstimate TraceDifferenceFrom(StreamEstimate earlier)
    {
        RequireSameProbes(earlier);
        if (!Trace.Layers.Select(layer => (layer.Name, layer.Parameters)).SequenceEqual(earlier.Trace.Layers.Select(layer => (layer.Name, layer.Parameters))))
        {
            throw new CurvatureException(
                $"Differences by layer need the same layers: {string.Join(", ", Trace.Layers.Select(layer => layer.Name))} against {string.Join(", ", earlier.Trace.Layers.Select(layer => layer.Name))}.");
        }

        return new TraceEstimate(
            Paired(earlier, s => s._samples.Sums, s => s.Trace.Total),
            [.. Trace.Layers.Select((layer, b) => layer with { Trace = Paired(earlier, s => s._samples.Layers[b], s => s.Trace.Layers[b].Trace) })]);
    }

    /// <summary>As <see cref="DifferenceFrom"/>, of <see cref="FrobeniusSquared"/>.</summary>
    /// <exception cref="CurvatureException">Another seed or dimension: the probes are not the same.</exception>
    public Estimate FrobeniusSquaredDifferenceFrom(StreamEstimate earlier)
    {
        RequireSameProbes(earlier);
        return Paired(earlier, s => s._samples.Squares, s => s.FrobeniusSquared);
    }

    /// <inheritdoc/>
    public void Dispose() => Diagonal?.Dispose();

    private void RequireSameProbes(StreamEstimate earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        if (earlier._seed != _seed || earlier._dimension != _dimension || earlier._samples.AreExact != _samples.AreExact)
        {
            throw new CurvatureException(
                $"Paired differences need the same probes: seed {_seed}, dimension {_dimension}{Exactly(this)} against seed {earlier._seed}, dimension {earlier._dimension}{Exactly(earlier)}.");
        }
    }

    /// <summary>The mean of the probes' differences; of exact numbers their difference.</summary>
    private Estimate Paired(StreamEstimate earlier, Func<StreamEstimate, IReadOnlyList<double>> samples, Func<StreamEstimate, Estimate> number)
    {
        int products = Products + earlier.Products;
        return _samples.AreExact
            ? Estimate.Exact(number(this).Value - number(earlier).Value, products)
            : Estimate.FromSamples([.. samples(this).Zip(samples(earlier), (now, before) => now - before)], products);
    }

    private static string Exactly(StreamEstimate stream) => stream._samples.AreExact ? " (unit vectors)" : "";
}
