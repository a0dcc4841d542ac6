using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// A model read from a file, in evaluation mode, with the file's hash. Its tensors leave any dispose scope: they live until it is
/// disposed.
/// </summary>
public sealed class LoadedModel : IDisposable
{
    internal LoadedModel(nn.Module module, string path, string format, string sha256, IReadOnlyList<string> remarks)
    {
        Module = module;
        Path = path;
        Format = format;
        Sha256 = sha256;
        Remarks = remarks;
        foreach (Tensor tensor in Checkpoint.Tensors(module).Select(entry => entry.Value))
        {
            tensor.DetachFromDisposeScope();
        }
    }

    /// <summary>
    /// The model: also an <c>IModule&lt;Tensor, Tensor&gt;</c>. A TorchScript module is no <c>Module&lt;Tensor, Tensor&gt;</c>.
    /// </summary>
    public nn.Module Module { get; }

    /// <summary>The file, as it was named.</summary>
    public string Path { get; }

    /// <summary>Its format in words: <c>TorchScript</c>, <c>safetensors</c>, <c>PyTorch state dict</c> or <c>TorchSharp .dat</c>.</summary>
    public string Format { get; }

    /// <summary>SHA-256 of the file, in hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>What a reader of results should know about how the file was read: a sentence each; empty as a rule.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <inheritdoc/>
    public void Dispose() => Module.Dispose();
}
