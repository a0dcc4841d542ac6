using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <content>
/// What must hold before anything is measured, found out once for each mode of the model: evaluations repeat, and derivatives exist, by guarded calls
/// first (an unguarded one ends the process in TorchSharp).
/// </content>
public abstract partial class Objective
{
    /// <summary>Evaluations after which TorchScript's optimiser has done its work.</summary>
    private const int Repetitions = 4;

    private readonly HashSet<int> _deterministic = [];
    private readonly HashSet<int> _differentiable = [];
    private readonly HashSet<int> _twiceDifferentiable = [];

    /// <summary>
    /// Evaluates the first batch twice and compares data, predictions, loss and gradient. Operators do this before their first product.
    /// Bit-equality is asked of the data; the rest may differ by rounding (parallel sums on a GPU). Of several ranks each looks at its own data.
    /// </summary>
    /// <exception cref="NonDeterministicException">What differed, with the likely cause.</exception>
    public void CheckDeterminism()
    {
        EnsureDifferentiable();
        using DisposeScope scope = NewDisposeScope();
        using Undisturbed state = new(this);
        if (!HasTerms())
        {
            return;
        }

        IReadOnlyList<(string What, Tensor Value)> first = Observe();
        IReadOnlyList<(string What, Tensor Value)> second = Observe();
        foreach (((string what, Tensor a), (_, Tensor b)) in first.Zip(second))
        {
            ThrowUnlessSame(what, a, b);
        }
    }

    /// <summary>Called before the first derivative: brings the model to the state in which it stays.</summary>
    protected virtual void Settle()
    {
    }

    /// <summary>Data and predictions of the first batch, for the determinism probe; names as they should appear in the message.</summary>
    protected virtual IEnumerable<(string What, Tensor Value)> ObserveBatch() => [];

    /// <summary>What in the model could be random, for the message of the determinism probe.</summary>
    protected virtual string LikelyCause() => "The closure or its data is random; fix its seed or its batches.";

    /// <summary>The determinism probe, once an objective.</summary>
    internal void EnsureDeterministic()
    {
        if (!_deterministic.Contains(Mode))
        {
            CheckDeterminism();
            _deterministic.Add(Mode);
        }
    }

    /// <summary>The guarded first double backward, once an objective.</summary>
    internal void EnsureTwiceDifferentiable()
    {
        CheckOnce(_twiceDifferentiable, twice: true);
        _differentiable.Add(Mode);
    }

    /// <summary>The same for operators made of Jacobian products, which finite differences of the gradient cannot stand in for.</summary>
    /// <exception cref="NoSecondDerivativeException">An operator has no second derivative; the message names it and what can be had instead.</exception>
    internal void EnsureLinearizable(string wanted)
    {
        try
        {
            EnsureTwiceDifferentiable();
        }
        catch (NoSecondDerivativeException error)
        {
            throw new NoSecondDerivativeException(
                $"{error.Message} Those reach the Hessian only: {wanted} is made of products with the model's Jacobian, which differentiate its gradient once "
                + "more. The matrix that can be had is finite-difference-hessian.",
                error);
        }
    }

    /// <summary>The guarded first backward, once an objective and mode: nothing unguarded comes before it.</summary>
    internal void EnsureDifferentiable() => CheckOnce(_differentiable, twice: false);

    /// <summary>The guarded first backward in other leaves that the loss reads as well, with the parameters: once, or twice and then mixed derivatives too.</summary>
    internal void EnsureDifferentiable(IReadOnlyList<Tensor> others, bool twice)
    {
        CheckOnce(twice ? _twiceDifferentiable : _differentiable, twice);
        using DisposeScope scope = NewDisposeScope();
        using Undisturbed state = new(this);
        if (!HasTerms())
        {
            return;
        }

        using IDisposable grad = enable_grad();
        Gradients.Check(SmallLoss, [.. Parameters.Parameters, .. others], twice);
    }

    /// <summary>Hands <paramref name="use"/> the loss over few rows, to be evaluated as often as it likes, with gradients; what it makes goes with it.</summary>
    internal T OnSmallLoss<T>(Func<Func<Tensor>, T> use)
    {
        using DisposeScope scope = NewDisposeScope();
        using Undisturbed state = new(this);
        using IDisposable grad = enable_grad();
        return use(SmallLoss);
    }

    private void CheckOnce(HashSet<int> done, bool twice)
    {
        if (done.Contains(Mode))
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        using Undisturbed state = new(this); // the batches may draw, too
        if (!HasTerms())
        {
            return;
        }

        Settle();
        using IDisposable grad = enable_grad();
        Tensor?[] first = Gradients.Check(SmallLoss, Parameters.Parameters, twice);
        for (int i = 1; twice && i < Repetitions; i++)
        {
            RequireSameDerivative(first, Gradients.Check(SmallLoss, Parameters.Parameters, twice));
        }

        done.Add(Mode);
    }

    /// <summary>
    /// Refuses a model whose second derivatives change with the number of evaluations, values and gradients being the same: one whose TorchScript plan
    /// was made outside (<see cref="Settle"/>).
    /// </summary>
    private void RequireSameDerivative(Tensor?[] first, Tensor?[] again)
    {
        foreach ((Tensor? a, Tensor? b) in first.Zip(again))
        {
            if (a is null || b is null)
            {
                continue;
            }

            double change = Precision.Norm(a.sub(b)), size = Precision.Norm(a);
            if (change > (a.dtype == ScalarType.Float64 ? 1e-8 : 1e-3) * size)
            {
                CheckDeterminism(); // where values or gradients change too, their message is the right one
                throw new NonDeterministicException(FormattableString.Invariant(
                    $"Second derivatives change when the same batch is evaluated again (by {change:g3} beside {size:g3}), gradients do not: a TorchScript optimiser ")
                    + "is at work. Load the weights into a C# model, or allow finite differences (FiniteDifferenceFallback).");
            }
        }
    }

    private IReadOnlyList<(string What, Tensor Value)> Observe()
    {
        using IDisposable? state = PreserveState();
        List<(string, Tensor)> seen;
        using (no_grad())
        {
            seen = [.. ObserveBatch()];
        }

        using IDisposable grad = enable_grad();
        Tensor loss = FirstLoss();
        Tensor gradient = zeros(Parameters.Count, Parameters.DType, Parameters.Device);
        Accumulate(gradient, Gradients.Of(loss, Parameters.Parameters, createGraph: false), 1);
        return [.. seen, ("the loss", loss.detach().reshape(1)), ("the gradient", gradient)];
    }

    private void ThrowUnlessSame(string what, Tensor a, Tensor b)
    {
        bool sameShape = a.shape.AsSpan().SequenceEqual(b.shape);
        if (sameShape && a.Equals(b))
        {
            return;
        }

        string difference = "their shapes differ";
        if (sameShape)
        {
            (Tensor x, Tensor y) = (a.to(ScalarType.Float64), b.to(ScalarType.Float64));
            double change = (x - y).norm().ToDouble(), size = Math.Max(x.norm().ToDouble(), y.norm().ToDouble());
            double rounding = a.dtype == ScalarType.Float64 ? 1e-10 : 1e-4;
            if (!what.StartsWith("the data", StringComparison.Ordinal) && (change <= rounding * size || double.IsNaN(size)))
            {
                return; // rounding; a NaN is reported by name where it is first needed
            }

            difference = FormattableString.Invariant($"|first - second| = {change:g3} beside {size:g3}");
        }

        throw new NonDeterministicException(
            $"Two evaluations of the first batch differ in {what} ({difference}): there is no fixed matrix to measure. {LikelyCause()}");
    }
}
