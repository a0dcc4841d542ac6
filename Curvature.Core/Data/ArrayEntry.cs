namespace Curvature.Data;

/// <summary>One array of a file, as its header describes it.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="DType">Element type: PyTorch's name (<c>float32</c>), or the file's own where PyTorch has none.</param>
/// <param name="Shape">Its sizes; empty for a scalar.</param>
/// <param name="Bytes">Length of its elements, decompressed, in bytes.</param>
public sealed record ArrayEntry(string Name, string DType, IReadOnlyList<long> Shape, long Bytes);
