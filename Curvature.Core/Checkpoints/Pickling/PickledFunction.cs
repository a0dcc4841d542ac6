namespace Curvature.Checkpoints.Pickling;

/// <summary>What stands for a Python function of a pickle: C# that only puts values together.</summary>
/// <param name="arguments">Its arguments.</param>
/// <param name="path">The file, for messages.</param>
internal delegate object? PickledFunction(object?[] arguments, string path);
