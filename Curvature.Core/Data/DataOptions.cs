using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>How a data file is to be read.</summary>
public sealed record DataOptions
{
    /// <summary>
    /// The target column of a CSV file: a name of its header line or an index from 0; -1 is the last column. Files of other kinds refuse it.
    /// </summary>
    /// <value>Null (the default) is the last column.</value>
    public string? Target { get; init; }

    /// <summary>
    /// Multiplies the inputs, after pixels have been divided by 255. Integer inputs become <see cref="InputType"/> first.
    /// </summary>
    /// <value>1 by default: integer inputs (tokens) then stay integers.</value>
    public double Scale { get; init; } = 1;

    /// <summary>
    /// The floating-point type that text and pixels are decoded into. With the model's own type the data take no more memory than
    /// needed; floating-point arrays of <c>.npz</c> and <c>.safetensors</c> files keep the type they have there.
    /// </summary>
    /// <value>float64 by default, which loses nothing.</value>
    public ScalarType InputType { get; init; } = ScalarType.Float64;
}
