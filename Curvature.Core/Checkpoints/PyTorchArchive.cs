using Curvature.Data;

namespace Curvature.Checkpoints;

/// <summary>The zip archive that both <c>torch.save</c> and <c>torch.jit.save</c> write: one folder with a pickle, storages, and in a TorchScript code.</summary>
internal static class PyTorchArchive
{
    private const string Pickle = "/data.pkl";

    /// <summary>The folder that everything is in, with its closing slash; null in an archive of other things.</summary>
    public static string? Root(CheckedZip zip) => zip.Entries.Select(entry => entry.Name)
        .FirstOrDefault(name => name.EndsWith(Pickle, StringComparison.Ordinal))?[..^(Pickle.Length - 1)];

    /// <summary>Whether there is a model's code beside the weights.</summary>
    public static bool HasCode(CheckedZip zip, string root) =>
        zip.Entries.Any(entry => entry.Name.StartsWith(root + "code/", StringComparison.Ordinal));
}
