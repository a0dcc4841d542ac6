using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// The only caller of <c>autograd.grad</c>. In TorchSharp an error inside it ends the process, so nothing reaches it that could fail:
/// outputs without a graph and frozen inputs are left out, unused inputs are allowed, and an objective is first differentiated
/// through the guarded <c>autograd.backward</c> (<see cref="CheckTwiceDifferentiable"/>). A derivative that is identically zero comes as null.
/// </summary>
internal static partial class Gradients
{
    /// <summary><c>d output / d parameters</c> of a scalar, null where it is zero. New tensors of the caller's scope.</summary>
    /// <param name="output">A scalar.</param>
    /// <param name="parameters">Leaves; a frozen one gets null.</param>
    /// <param name="createGraph">Whether the gradient is to be differentiated again; the graph is then kept.</param>
    public static Tensor?[] Of(Tensor output, IReadOnlyList<Tensor> parameters, bool createGraph) =>
        Pull([output], null, parameters, retainGraph: createGraph, createGraph);

    /// <summary>
    /// Vector-Jacobian product <c>sum_i J_i^T v_i</c> of the outputs, <c>J_i = d outputs_i / d parameters</c>, null where it is zero. The
    /// graph is kept for the next product. Applied to a gradient it is the Hessian-vector product (Pearlmutter 1994, Fast Exact
    /// Multiplication by the Hessian; here in its reverse-over-reverse form).
    /// </summary>
    public static Tensor?[] VectorJacobianProduct(IReadOnlyList<Tensor?> outputs, IReadOnlyList<Tensor> v, IReadOnlyList<Tensor> parameters) =>
        Pull(outputs, v, parameters, retainGraph: true, createGraph: false);

    /// <summary>
    /// Differentiates <paramref name="loss"/> twice by <c>autograd.backward</c>, which reports errors where <c>autograd.grad</c> would end
    /// the process. Every <c>.grad</c> is put back as it was.
    /// </summary>
    /// <exception cref="NoSecondDerivativeException">An operator has no first or no second derivative.</exception>
    public static void CheckTwiceDifferentiable(Func<Tensor> loss, IReadOnlyList<Tensor> parameters)
    {
        Tensor[] leaves = [.. parameters.Where(p => p.requires_grad)];
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] before = [.. leaves.Select(p => p.grad)];
        try
        {
            Clear(leaves);
            Tensor value = loss();
            if (!value.requires_grad || leaves.Length == 0)
            {
                return;
            }

            autograd.backward([value], retain_graph: true, inputs: leaves);
            Clear(leaves);
            Tensor[] gradients = [.. Of(value, leaves, createGraph: true).OfType<Tensor>().Where(g => g.requires_grad)];
            if (gradients.Length > 0)
            {
                autograd.backward(gradients, [.. gradients.Select(g => ones_like(g))], inputs: leaves);
            }
        }
        catch (ExternalException error)
        {
            Match named = MissingDerivative().Match(error.Message);
            string operation = named.Success ? $"the operator {named.Groups[1].Value}" : "an operator of the model";
            throw new NoSecondDerivativeException(
                $"The loss cannot be differentiated twice: {operation} has no second derivative in libtorch ({EngineError.Summary(error)}). "
                + "Compose it from operators that have one, or allow finite differences (FiniteDifferenceFallback).", error);
        }
        finally
        {
            for (int i = 0; i < leaves.Length; i++)
            {
                leaves[i].grad = before[i];
            }
        }
    }

    private static Tensor?[] Pull(
        IReadOnlyList<Tensor?> outputs, IReadOnlyList<Tensor>? v, IReadOnlyList<Tensor> parameters, bool retainGraph, bool createGraph)
    {
        Tensor?[] result = new Tensor?[parameters.Count];
        int[] live = [.. Enumerable.Range(0, outputs.Count).Where(i => outputs[i] is { requires_grad: true })];
        int[] leaves = [.. Enumerable.Range(0, parameters.Count).Where(i => parameters[i].requires_grad)];
        if (live.Length == 0 || leaves.Length == 0)
        {
            return result;
        }

        IList<Tensor> gradients = autograd.grad(
            [.. live.Select(i => outputs[i]!)],
            [.. leaves.Select(i => parameters[i])],
            v is null ? null : [.. live.Select(i => v[i])],
            retain_graph: retainGraph,
            create_graph: createGraph,
            allow_unused: true);
        for (int i = 0; i < leaves.Length; i++)
        {
            // An unused input's gradient is null or an invalid handle, depending on the engine.
            result[leaves[i]] = gradients[i] is { IsInvalid: false } g ? g : null;
        }

        return result;
    }

    private static void Clear(Tensor[] leaves)
    {
        foreach (Tensor leaf in leaves)
        {
            leaf.grad = null;
        }
    }

    [GeneratedRegex(@"derivative for (?:')?([\w:.]+)(?:')? is not implemented")]
    private static partial Regex MissingDerivative();
}
