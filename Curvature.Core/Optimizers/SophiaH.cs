using Curvature.Tensors;
using TorchSharp.Modules;

namespace Curvature.Optimizers;

/// <summary>
/// Sophia-H: <see cref="Sophia"/> with the Hessian's diagonal, <c>D = z * (H z)</c> for one normal vector z (<see cref="HutchinsonSource"/>). Needs a second derivative; a refresh is a fresh Hessian-vector product.
/// </summary>
public sealed class SophiaH : Sophia
{
    /// <param name="parameters">A model's, frozen ones too.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is the Hessian's diagonal from one normal vector.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public SophiaH(IEnumerable<Parameter> parameters, SophiaOptions? options = null, IDiagonalSource? source = null)
        : this([new ParamGroup<SophiaOptions>(parameters)], options, source)
    {
    }

    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the next argument.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is the Hessian's diagonal from one normal vector.</param>
    /// <exception cref="CurvatureException">As the other constructor.</exception>
    public SophiaH(IEnumerable<ParamGroup<SophiaOptions>> groups, SophiaOptions? options = null, IDiagonalSource? source = null)
        : base(groups, options, SophiaOptions.DefaultsH, source ?? new HutchinsonSource(ProbeKind.Gaussian))
    {
    }
}
