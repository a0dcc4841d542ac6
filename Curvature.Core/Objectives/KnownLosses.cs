namespace Curvature.Objectives;

/// <summary>The catalogue of losses by name. A new loss is one file and one line here.</summary>
public static class KnownLosses
{
    private static readonly Dictionary<string, Func<LossOptions, ISupervisedLoss>> Catalogue = new(StringComparer.Ordinal)
    {
        ["cross-entropy"] = options => new CrossEntropy(options),
        ["mse"] = options => new MeanSquaredError(options),
        ["bce"] = options => new BinaryCrossEntropy(options),
    };

    /// <summary>All names, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The loss called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name, or options it does not have.</exception>
    public static ISupervisedLoss Create(string name, LossOptions? options = null) =>
        Catalogue.TryGetValue(name, out Func<LossOptions, ISupervisedLoss>? create)
            ? create(options ?? new LossOptions())
            : throw new CurvatureException($"Unknown loss '{name}'. Expected one of: {string.Join(", ", Names)}.");

    internal static void RefuseClassOptions(string name, LossOptions options)
    {
        if (options.IgnoreIndex is not null || options.LabelSmoothing != 0 || options.ClassWeights is not null)
        {
            throw new CurvatureException($"The loss '{name}' has no ignore index, label smoothing or class weights; only cross-entropy has.");
        }
    }

    internal static string Shape(TorchSharp.torch.Tensor t) => $"[{string.Join(", ", t.shape)}]";
}
