using TorchSharp.Modules;

namespace Curvature.Optimizers;

/// <summary>
/// Sophia-G: <see cref="Sophia"/> with the Gauss-Newton-Bartlett estimate, <c>D = (J^T u)^2</c> for targets drawn from the model (<see cref="GaussNewtonBartlett"/>). Step by <c>Step(forward, targets, loss)</c>: the loss knows its number of terms. No second derivative is taken; a refresh is one backward pass more.
/// </summary>
public sealed class SophiaG : Sophia
{
    /// <param name="parameters">A model's, frozen ones too.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is one draw of all targets.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public SophiaG(IEnumerable<Parameter> parameters, SophiaOptions? options = null, IDiagonalSource? source = null)
        : this([new ParamGroup<SophiaOptions>(parameters)], options, source)
    {
    }

    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the next argument.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="source">Where D comes from; null is one draw of all targets.</param>
    /// <exception cref="CurvatureException">As the other constructor.</exception>
    public SophiaG(IEnumerable<ParamGroup<SophiaOptions>> groups, SophiaOptions? options = null, IDiagonalSource? source = null)
        : base(groups, options, SophiaOptions.DefaultsG, source ?? new GaussNewtonBartlett())
    {
    }
}
