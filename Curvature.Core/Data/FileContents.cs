namespace Curvature.Data;

/// <summary>What is in a checkpoint or data file, for <c>curvature inspect</c>.</summary>
/// <param name="Path">The file, as it was named.</param>
/// <param name="Format">Its format in words: <c>safetensors</c>, <c>TorchScript</c>, <c>npz</c> ...</param>
/// <param name="Sha256">SHA-256 of the whole file, in hexadecimal.</param>
/// <param name="Entries">Its arrays, in the file's order.</param>
public sealed record FileContents(string Path, string Format, string Sha256, IReadOnlyList<ArrayEntry> Entries)
{
    /// <summary>What a reader should know about how the file was read: a sentence each; empty as a rule.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];
}
