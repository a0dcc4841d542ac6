namespace Curvature.Operators;

/// <summary>On which side of a layer its activations are meant.</summary>
public enum LayerSide
{
    /// <summary>What it gives.</summary>
    Output,

    /// <summary>What it is given.</summary>
    Input,
}
