using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>What makes statistics of a model's layers from tapes of their calls: the factors of KFAC, the inverses of MKOR.</summary>
internal interface ILayerRecorder
{
    /// <summary>What the parts of a batch have brought; all must be finite before it is taken up.</summary>
    IEnumerable<Tensor> Brought { get; }

    /// <summary>Begins to record the layers.</summary>
    /// <param name="retainGradients">Whether a backward pass leaves gradients on their outputs.</param>
    LayerTape Tape(bool retainGradients = false);

    /// <summary>Parameters of known layers that no recorded call acts with.</summary>
    IEnumerable<int> Uncalled(IEnumerable<LayerTape> tapes);

    /// <summary>All parts of a batch are in; with several ranks what they have brought is summed over them.</summary>
    /// <param name="ranks">Collective.</param>
    void Complete(IRanks ranks);

    /// <summary>A parameter's name.</summary>
    string NameOf(int i);

    /// <summary>Forgets what the parts have brought.</summary>
    void Abandon();
}
