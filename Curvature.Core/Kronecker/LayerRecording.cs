using Curvature.Layers;

namespace Curvature.Kronecker;

/// <summary>
/// What a model's layers are given and return while a training step evaluates it, so that the step's own backward pass serves <see cref="KfacFactors.Update(LayerRecording, long, double?, Objectives.Reduction)"/>.
/// It hooks the layers: the model must be evaluated by <c>call</c>. Memory: the layers' inputs and outputs. Dispose it to release them.
/// </summary>
public sealed class LayerRecording : IDisposable
{
    internal LayerRecording(LayerTape tape, bool startsFresh) => (Tape, StartsFresh) = (tape, startsFresh);

    internal LayerTape Tape { get; }

    /// <summary>Whether the parameters had no gradient when the recording began.</summary>
    internal bool StartsFresh { get; }

    /// <summary>Ends the recording; what was recorded stays.</summary>
    public void Stop() => Tape.Stop();

    /// <inheritdoc/>
    public void Dispose() => Tape.Dispose();
}
