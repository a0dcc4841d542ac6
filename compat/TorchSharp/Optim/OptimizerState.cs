namespace TorchSharp.Modules;

/// <summary>What an optimizer remembers about one parameter.</summary>
public abstract class OptimizerState
{
    protected Parameter _parameter;

    protected OptimizerState(Parameter parameter) => _parameter = parameter;

    public abstract void Initialize(OptimizerOptions options);

    public abstract void SaveStateDict(BinaryWriter writer);

    public abstract void LoadStateDict(BinaryReader reader);

    public abstract void LoadStateDict(OptimizerState source);

    public virtual void to(torch.Device device) { }

    protected static void SaveConditionalStateTensor(BinaryWriter writer, torch.Tensor tensor)
    {
        writer.Write(tensor is not null);
        if (tensor is not null) DatFormat.WriteTensor(writer, tensor);
    }

    protected static void LoadConditionalStateTensor(BinaryReader reader, ref torch.Tensor result, torch.Device device)
    {
        result?.Dispose();
        result = reader.ReadBoolean() ? ReadStateTensor(reader, device) : null!;
    }

    internal static torch.Tensor ReadStateTensor(BinaryReader reader, torch.Device device) =>
        DatFormat.ReadNewTensor(reader, "optimizer state").to(device).DetachFromDisposeScope();

    /// <summary>A copy of another state's tensor, in place of the one held.</summary>
    internal static void Replace(ref torch.Tensor held, torch.Tensor? source, torch.Device device)
    {
        torch.Tensor copy = source?.to(device, copy: true).DetachFromDisposeScope()!;
        held?.Dispose();
        held = copy;
    }

    internal static torch.Tensor ZerosLike(Parameter parameter)
    {
        using torch.Tensor detached = parameter.detach();
        return torch.zeros_like(detached).DetachFromDisposeScope();
    }
}
