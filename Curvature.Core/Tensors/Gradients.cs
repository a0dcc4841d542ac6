using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// The only caller of <c>autograd.grad</c>. In TorchSharp an error inside it ends the process, so nothing reaches it that could fail:
/// outputs without a graph and frozen inputs are left out, unused inputs are allowed, and an objective is first differentiated
/// through the guarded <c>autograd.backward</c> (<see cref="Check"/>). A derivative that is identically zero comes as null.
/// </summary>
internal static partial class Gradients
{
    /// <summary><c>d output / d parameters</c> of a scalar, null where it is zero. New tensors of the caller's scope.</summary>
    /// <param name="output">A scalar.</param>
    /// <param name="parameters">Leaves; a frozen one gets null.</param>
    /// <param name="createGraph">Whether the gradient is to be differentiated again; the graph is then kept.</param>
    /// <exception cref="CurvatureException">The output is not a scalar.</exception>
    public static Tensor?[] Of(Tensor output, IReadOnlyList<Tensor> parameters, bool createGraph) => output.numel() == 1
        ? Pull([output], null, parameters, retainGraph: createGraph, createGraph)
        : throw new CurvatureException($"A loss is a scalar; this one has shape [{string.Join(", ", output.shape)}]. Reduce it to its mean or sum.");

    /// <summary>
    /// Vector-Jacobian product <c>sum_i J_i^T v_i</c> of the outputs, <c>J_i = d outputs_i / d parameters</c>, null where it is zero. The
    /// graph is kept for the next product, unless this is the last. Applied to a gradient it is the Hessian-vector product (Pearlmutter 1994, Fast Exact
    /// Multiplication by the Hessian; here in its reverse-over-reverse form).
    /// </summary>
    public static Tensor?[] VectorJacobianProduct(
        IReadOnlyList<Tensor?> outputs, IReadOnlyList<Tensor> v, IReadOnlyList<Tensor> parameters, bool keepGraph = true) =>
        Pull(outputs, v, parameters, retainGraph: keepGraph, createGraph: false);

    /// <summary>
    /// <c>g(w) = J^T w</c> with its graph, <c>J = d outputs / d parameters</c>: linear in w, so that <c>d (g . v) / dw = J v</c> (double backward: Jacobian-
    /// vector products from vector-Jacobian products). Null where a parameter is unused. Both graphs are kept.
    /// </summary>
    public static Tensor?[] Pullback(Tensor outputs, Tensor w, IReadOnlyList<Tensor> parameters) =>
        Pull([outputs], [w], parameters, retainGraph: true, createGraph: true);

    /// <summary>
    /// Differentiates <paramref name="loss"/> once, or twice, by <c>autograd.backward</c>, which reports errors where <c>autograd.grad</c> would end the
    /// process. Every <c>.grad</c> is put back as it was.
    /// </summary>
    /// <param name="loss">Evaluated once.</param>
    /// <param name="parameters">Leaves.</param>
    /// <param name="twice">Whether the gradient is differentiated too.</param>
    /// <param name="keepGraph">Whether the loss's graph can be differentiated again afterwards.</param>
    /// <exception cref="NoSecondDerivativeException">An operator has no second derivative.</exception>
    /// <exception cref="CurvatureException">The loss is no scalar or cannot be differentiated at all.</exception>
    /// <returns>The second derivative's product with ones, one part per leaf and null where zero; nothing for <paramref name="twice"/> false.</returns>
    public static Tensor?[] Check(Func<Tensor> loss, IReadOnlyList<Tensor> parameters, bool twice, bool keepGraph = false)
    {
        Tensor[] leaves = [.. parameters.Where(p => p.requires_grad)];
        using DisposeScope scope = NewDisposeScope();
        Tensor value = loss();
        if (!value.requires_grad || leaves.Length == 0)
        {
            return [];
        }

        Tensor?[] before = [.. leaves.Select(p => p.grad)];
        bool second = false;
        try
        {
            Clear(leaves);
            if (value.numel() == 1)
            {
                autograd.backward([value], retain_graph: true, inputs: leaves);
            }

            Clear(leaves);
            if (!twice)
            {
                return [];
            }

            Tensor[] gradients = [.. Of(value, leaves, createGraph: true).OfType<Tensor>().Where(g => g.requires_grad)];
            second = true;
            if (gradients.Length > 0)
            {
                autograd.backward(gradients, [.. gradients.Select(g => ones_like(g))], retain_graph: keepGraph, inputs: leaves);
            }

            return [.. leaves.Select(p => p.grad?.detach().MoveToOuterDisposeScope())];
        }
        catch (ExternalException error) when (second && MissingDerivative().Match(error.Message) is { Success: true } named)
        {
            throw new NoSecondDerivativeException(
                $"The loss cannot be differentiated twice: the operator {named.Groups[1].Value} has no second derivative in libtorch "
                + $"({EngineError.Summary(error)}). {(named.Groups[1].Value.Contains("attention", StringComparison.Ordinal) ? (ComputeDevice.AllowsFusedAttention is not false ? "ComputeDevice.Open forbids fused kernels of attention where libtorch's switches are found (on Linux), which leaves those that have one. " : "") : "")}Compose it from operators that have one, or allow finite differences (FiniteDifferenceFallback).",
                error);
        }
        catch (ExternalException error)
        {
            throw new CurvatureException($"The loss cannot be differentiated{(second ? " twice" : "")}: {EngineError.Summary(error)}", error);
        }
        finally
        {
            for (int i = 0; i < leaves.Length; i++)
            {
                leaves[i].grad = before[i];
            }
        }
    }

    /// <summary>
    /// Of losses l_i with gradients g_i and Hessians H_i the numbers <c>g_i^T v</c> and <c>v^T H_i v</c>, <c>[N]</c> each, for all of them at once: <c>a(w) = v^T sum_i w_i g_i</c> and
    /// <c>b(w) = v^T da/dtheta</c> are linear in w, and their derivatives in w are the answers. The last, a third derivative, goes through the guarded <c>autograd.backward</c>. New tensors of the caller's scope.
    /// </summary>
    /// <param name="losses">l, <c>[N]</c>, with a graph that is known to bear two derivatives (<see cref="Check"/>).</param>
    /// <param name="v">One part a parameter.</param>
    /// <param name="parameters">Leaves.</param>
    /// <exception cref="CurvatureException">An operator has no third derivative.</exception>
    public static (Tensor Slopes, Tensor Curvatures) AlongDirection(Tensor losses, IReadOnlyList<Tensor> v, IReadOnlyList<Tensor> parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        Tensor w = ones_like(losses.detach()).requires_grad_(true), zero = zeros_like(losses.detach());
        if (Along(losses.requires_grad ? Pullback(losses, w, parameters) : []) is not { } a)
        {
            return (zero.clone().MoveToOuterDisposeScope(), zero.MoveToOuterDisposeScope());
        }

        Tensor slopes = Pull([a], null, [w], retainGraph: true, createGraph: false)[0]?.detach() ?? zero;
        if (Along(Of(a, parameters, createGraph: true)) is { } b)
        {
            try
            {
                autograd.backward([b], inputs: [w]);
            }
            catch (ExternalException error)
            {
                throw new CurvatureException($"The curvature of single examples is a third derivative, which the loss does not have: {EngineError.Summary(error)}", error);
            }
        }

        Tensor curvatures = w.grad?.detach() ?? zero;
        return (slopes.clone().MoveToOuterDisposeScope(), curvatures.clone().MoveToOuterDisposeScope());

        Tensor? Along(Tensor?[] parts) => parts.Zip(v).Where(pair => pair.First is { requires_grad: true }).Select(pair => pair.First!.mul(pair.Second).sum()).ToArray() is { Length: > 0 } sums
            ? stack(sums).sum()
            : null;
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
