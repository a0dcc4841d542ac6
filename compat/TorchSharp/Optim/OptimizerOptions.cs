namespace TorchSharp.Modules;

/// <summary>The hyperparameters of a group; a null one is taken from the optimizer's defaults when the group is added.</summary>
public class OptimizerOptions
{
    public double? LearningRate { get; set; }
    public double InitialLearningRate { get; set; }

    public virtual void SaveStateDict(BinaryWriter writer)
    {
        writer.Write(InitialLearningRate);
        writer.Write(LearningRate!.Value);
    }

    public virtual void LoadStateDict(BinaryReader reader) =>
        (InitialLearningRate, LearningRate) = (reader.ReadDouble(), reader.ReadDouble());

    public virtual void LoadStateDict(OptimizerOptions source) =>
        (InitialLearningRate, LearningRate) = (source.InitialLearningRate, source.LearningRate);
}
