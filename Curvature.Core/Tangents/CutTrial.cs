using System.Runtime.InteropServices;
using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Whether cutting a model leaves its derivatives what they are, tried on few rows before anything relies on it.</summary>
internal static class CutTrial
{
    /// <summary>The part of the whole gradient beside which a parameter's own is rounding.</summary>
    private const double Negligible = 1e-6;

    /// <summary>Why the model is not to be cut, as a clause; null where nothing speaks against it.</summary>
    /// <param name="objective">The loss.</param>
    /// <param name="cuts">Where its model is cut.</param>
    public static string? Obstacle(Objective objective, ModelCuts cuts) =>
        cuts.Futility ?? objective.OnSmallLoss(loss => Obstacle(objective.Parameters, cuts, loss));

    private static string? Obstacle(ParameterSpace space, ModelCuts cuts, Func<Tensor> loss)
    {
        Tensor?[] expected = [];
        string? Compare()
        {
            using CutGraph? graph = CutGraph.Of(cuts, loss);
            if (graph is null)
            {
                return "a hook changes what a layer returns";
            }

            Tensor?[] found = graph.Gradient();
            double size = Math.Sqrt(expected.OfType<Tensor>().Sum(g => Math.Pow(Precision.Norm(g), 2)));
            int wrong = Enumerable.Range(0, expected.Length).FirstOrDefault(i => !Agree(expected[i], found[i], graph.Scale(i) + (Negligible * size)), -1);
            return wrong < 0 ? null : $"the gradient of '{space.Names[wrong]}' is not what its layer's inputs and outputs give (it is of a kind of its own)";
        }

        try
        {
            Tensor value = Watched(cuts, loss, out bool differentiates);
            if (differentiates)
            {
                return "the model differentiates itself while it is evaluated";
            }

            expected = Gradients.Of(value, space.Parameters, createGraph: false);
            cuts.IsOnTrial = true;
            try
            {
                cuts.WritesInPlace = false;
                return Compare();
            }
            catch (Exception error) when (error is ExternalException or CurvatureException)
            {
                cuts.WritesInPlace = true;
                return Compare();
            }
            finally
            {
                cuts.IsOnTrial = false;
            }
        }
        catch (Exception error) when (error is ExternalException or CurvatureException)
        {
            // An error that the model has whole too comes again from whole products.
            return $"cut at its layers, the model fails: {EngineError.Summary(error)}";
        }
    }

    /// <summary>
    /// Evaluates the loss, whole, with a witness behind each layer that tells of backward passes. A model that differentiates itself (forces from an energy) must not be cut: its own derivatives would end at the cuts.
    /// </summary>
    private static Tensor Watched(ModelCuts cuts, Func<Tensor> loss, out bool differentiates)
    {
        Report report = new();
        Action[] removals = [.. cuts.Layers.Select(layer => (Action)layer.register_forward_hook((_, _, output) => output.requires_grad ? Witness.apply(output, report) : output).remove)];
        try
        {
            Tensor value = loss();
            differentiates = report.Differentiated;
            return value;
        }
        finally
        {
            foreach (Action remove in removals)
            {
                remove();
            }
        }
    }

    /// <summary>Whether two gradients agree to rounding, of which <paramref name="scale"/> is what samples may have each where their sum cancels.</summary>
    private static bool Agree(Tensor? expected, Tensor? found, double scale)
    {
        if ((expected ?? found) is not { } any)
        {
            return true;
        }

        Tensor zero = zeros_like(any);
        double tolerance = any.dtype == ScalarType.Float64 ? 1e-9 : 1e-4;
        double difference = Precision.Norm((expected ?? zero).sub(found ?? zero));
        return !(difference > tolerance * (Precision.Norm(expected ?? zero) + scale)); // what is not finite is told of where it is needed
    }

    /// <summary>What the witnesses of one evaluation saw; a backward pass may run on another thread.</summary>
    private sealed class Report
    {
        public volatile bool Differentiated;
    }

    /// <summary>The identity, which tells when it is differentiated.</summary>
    private sealed class Witness : autograd.SingleTensorFunction<Witness>
    {
        public override string Name => nameof(Witness);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            ctx.save_data(nameof(Report), vars[1]);
            return ((Tensor)vars[0]).clone();
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            ((Report)ctx.get_data(nameof(Report))).Differentiated = true;
            return [grad_output, null!];
        }
    }
}
