using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>An optimizer of the catalogue, and what the documentation says of it.</summary>
/// <param name="Name">Short name.</param>
/// <param name="Type">The type; an <see cref="ICurvatureOptimizer"/>.</param>
/// <param name="Curvature">What scales the step.</param>
/// <param name="Paper">Where the method comes from.</param>
/// <param name="Cost">Of a step, beside a gradient.</param>
/// <param name="Create">Makes one of a model, parameters of it, a learning rate (null: the method's) and the steps from one refresh of the curvature to the next (null: the method's); the caller's to dispose.</param>
public sealed record KnownOptimizer(
    string Name, Type Type, string Curvature, string Paper, string Cost, Func<nn.Module, IEnumerable<Parameter>, double?, int?, OptimizerHelper> Create);
