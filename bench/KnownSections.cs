namespace Curvature.Bench;

/// <summary>The measurements, in the order in which they run.</summary>
internal static class KnownSections
{
    public static IReadOnlyList<Section> All { get; } =
    [
        new("engine", "Engine: cost of one operator call, and matrix products (square, side 1024)", EngineSection.Run),
        new("products", "Products with the Hessian and the Gauss-Newton matrix, in gradients of the same objective", ProductsSection.Run),
        new("trace", "A trace by many probes over several batches, beside as many products made one by one", TraceSection.Run),
        new("ranks", "A trace, and steps of optimizers, by two ranks of MPI with a thread each, beside one process with two threads", RanksSection.Run),
        new("pytorch", "The same kept-graph products here and in PyTorch, in turns", PyTorchSection.Run),
        new("layer-traces", "Layer traces of a LeNet from per-sample gradients, in gradients of the same objective", LayerTracesSection.Run),
        new("factors", "Kronecker factors, their inverses and products, in gradients of the same objective", FactorsSection.Run),
        new("mfac", "One M-FAC step over a window of m gradients, beside two plain products with the same matrix", MfacSection.Run),
        new("eigenpairs", "Ten eigenpairs to a relative residual of 1e-3: products each solver needs", EigenpairsSection.Run),
        new("kronecker", "Keeping the inverse of a Kronecker factor: a rank-1 update beside a Cholesky inverse", KroneckerSection.Run),
        new("optimizers", "Steps of optimizers that see curvature, in AdamW steps on the same network", OptimizersSection.Run),
        new("scaling", "Time and memory of a measurement, as told beforehand and as it took", ScalingSection.Run),
        new("intervals", "How often 95 % intervals of Lanczos quadrature hold the truth", IntervalsSection.Run),
        new("monitor", "A training watched at the default interval, in the time of the same training unwatched", MonitorSection.Run),
        new("gpu", "On a GPU: products, the M-FAC window and optimizers", GpuSection.Run),
    ];
}
