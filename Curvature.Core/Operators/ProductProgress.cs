namespace Curvature.Operators;

/// <summary>How far a long computation has come, counted in matrix-vector products.</summary>
/// <param name="Stage">What is being computed, e.g. <c>trace</c>.</param>
/// <param name="Done">Products finished in this stage.</param>
/// <param name="Total">Products planned for this stage; it may end earlier.</param>
public readonly record struct ProductProgress(string Stage, int Done, int Total);
