namespace Curvature.Tensors;

/// <summary>Finds the extensions that the engine in use has.</summary>
public static class EngineExtensions
{
    private static readonly Lazy<IEngineExtensions?> Found = new(Find);

    /// <summary>Those of <c>Curvature.Compat.Extensions.dll</c> where it lies beside the application; null otherwise, as with the TorchSharp package.</summary>
    public static IEngineExtensions? Available => Found.Value;

    private static IEngineExtensions? Find() =>
        Type.GetType("Curvature.Compat.LibtorchExtensions, Curvature.Compat.Extensions", throwOnError: false) is { } type
            ? (IEngineExtensions?)Activator.CreateInstance(type)
            : null;
}
