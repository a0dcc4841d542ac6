using Curvature.Data;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <content>A step from its parts to the parameters: losses are evaluated and differentiated one after the other, and once all is in and finite the parameters change, or nothing does.</content>
public abstract partial class CurvatureOptimizer<TOptions>
{
    private bool _checked;

    /// <summary>Evaluates the parts, then changes the parameters, or nothing.</summary>
    /// <param name="parts">A single one is evaluated in the caller's scope.</param>
    private protected Tensor Take(IReadOnlyList<Func<LossPass>> parts)
    {
        if (parts.Count == 0 && Ranks.Count == 1)
        {
            throw new CurvatureException($"{GetType().Name} got no parts of a batch to step on.");
        }

        using Tensor? drawn = MayLookBack ? random.get_rng_state() : null;
        LossPass? only = null;
        Exception? error = Alone(() => only = parts.Count == 1 ? Evaluate(parts[0], 0) : null);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] gradient = new Tensor?[_parameters.Count];
        Tensor? sum = null;
        error ??= Alone(() =>
        {
            Begin();
            for (int i = 0; i < parts.Count; i++)
            {
                using DisposeScope inner = NewDisposeScope();
                LossPass pass = only ?? Evaluate(parts[i], i);
                Add(gradient, Differentiate(pass));
                sum = Sum(sum, pass.Loss);
            }
        });
        if (Ranks.Count > 1)
        {
            (only, sum) = (null, SumGradient(gradient, sum, error)); // what is returned is the loss of all ranks
            SumOverRanks();
        }

        if (Finish(gradient, [sum!.to(_parameters[0].dtype)]) && LooksBack)
        {
            using IDisposable? statistics = Preserve();
            LookBack(sum!, Ranks.Count > 1 ? AllAgain(parts, drawn!) : Again(parts, drawn!)!);
        }

        return only?.Loss ?? sum!.MoveToOuterDisposeScope();
    }

    /// <summary>Evaluates a loss with its graph, every <c>.grad</c> set aside.</summary>
    private protected virtual LossPass Evaluate(Func<LossPass> evaluate, int part)
    {
        Tensor?[] aside = [.. _parameters.Select(p => p.grad)];
        try
        {
            foreach (Parameter parameter in _parameters)
            {
                parameter.grad = null;
            }

            using IDisposable grad = enable_grad();
            LossPass pass = evaluate() with { Parameters = _parameters, Step = Steps, Part = part };
            Require(pass.Loss);
            if (!_checked)
            {
                Gradients.Check(() => pass.Loss, _parameters, DifferentiatesTwice, keepGraph: true);
                _checked = true;
            }

            return pass;
        }
        finally
        {
            for (int i = 0; i < aside.Length; i++)
            {
                _parameters[i].grad = aside[i];
                aside[i]?.Dispose();
            }
        }
    }

    private protected static void Add(Tensor?[] sums, IReadOnlyList<Tensor?> parts)
    {
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = parts[i] is { } part ? Sum(sums[i], part) : sums[i];
        }
    }

    /// <summary>The sum without graph, moved out of this scope; the sum before it is disposed.</summary>
    private static Tensor Sum(Tensor? before, Tensor part)
    {
        using (before)
        {
            return (before is null ? part.detach() : before.add(part.detach())).MoveToOuterDisposeScope();
        }
    }

    /// <summary>One synchronisation where all is finite, as a finite sum has only finite terms.</summary>
    private static bool AllFinite(IReadOnlyList<Tensor> tensors) =>
        double.IsFinite(stack(tensors.Select(t => t.sum())).sum().ToDouble()) || tensors.All(Finite.Everywhere);

    /// <summary>The step along what a backward pass left.</summary>
    private void TakeGradients()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor?[] gradient = [.. _parameters.Select(p => p.requires_grad ? p.grad?.detach() : null)];
        bool isHere = gradient.Any(g => g is not null);
        if (!isHere && Ranks.Count == 1)
        {
            throw new CurvatureException($"No trainable parameter of {GetType().Name} has a gradient: call loss.backward() before step(), or step(() => loss) without it.");
        }

        WeighFunctions(() => isHere ? 1 : 0);
        Exception? error = Alone(() =>
        {
            Begin();
            gradient = ShardWeight == 1 ? gradient : [.. gradient.Select(g => g?.mul(ShardWeight))];
            if (isHere)
            {
                TakePasses(gradient);
            }
        });
        if (Ranks.Count > 1)
        {
            SumGradient(gradient, loss: null, error);
            SumOverRanks();
        }

        Finish(gradient, []);
    }

    /// <summary>Changes the parameters, or nothing.</summary>
    /// <param name="gradient">The whole.</param>
    /// <param name="loss">One, where there is one.</param>
    /// <returns>Whether they changed.</returns>
    private bool Finish(Tensor?[] gradient, Tensor[] loss)
    {
        IReadOnlyList<Tensor?> curvature = Complete(gradient);
        if (AllFinite([.. loss, .. gradient.OfType<Tensor>(), .. curvature.OfType<Tensor>()]))
        {
            Update(gradient, Prepare(gradient, curvature));
            _arrivals = Arrivals;
            State(0)["steps"]++;
            return true;
        }

        State(0)["skipped"]++;
        return false;
    }

    /// <summary>The loss at the parameters as they are now, without graph, with the draws of a random state; the state stays as it is.</summary>
    private static Tensor? Again(IReadOnlyList<Func<LossPass>> parts, Tensor drawn)
    {
        using Tensor now = random.get_rng_state();
        random.set_rng_state(drawn);
        try
        {
            Tensor? sum = null;
            foreach (Func<LossPass> part in parts)
            {
                using DisposeScope scope = NewDisposeScope();
                sum = Sum(sum, part().Loss);
            }

            return sum;
        }
        finally
        {
            random.set_rng_state(now);
        }
    }

    /// <summary>A loss that is a function alone, times what it counts.</summary>
    private protected LossPass Pass(Func<Tensor> loss) => loss() is var value && ShardWeight == 1 ? new LossPass(value) : new LossPass(value.mul(ShardWeight));

    private LossPass Pass(Func<Tensor> forward, Tensor targets, ICurvatureLoss loss, double weight, long firstRow)
    {
        Tensor outputs = forward();
        if (!_checked)
        {
            loss.Check(outputs, targets);
        }

        Tensor value = loss.Value(outputs, targets);
        return new LossPass(weight == 1 ? value : value.mul(weight)) { Outputs = outputs, Forward = forward, Targets = targets, Criterion = loss, Weight = weight, FirstRow = firstRow };
    }

    private void Update(Tensor?[] gradient, IReadOnlyList<Tensor?> curvature)
    {
        int i = 0;
        foreach (ParamGroup group in _parameter_groups)
        {
            foreach (Parameter parameter in group.Parameters)
            {
                if (gradient[i] is { } g)
                {
                    using DisposeScope scope = NewDisposeScope();
                    Update(parameter, g, i < curvature.Count ? curvature[i] : null, State(i), (TOptions)group.Options);
                }

                i++;
            }
        }
    }

    private void Require(Tensor loss)
    {
        foreach (Parameter parameter in _parameters)
        {
            using Tensor? grad = parameter.grad;
            if (grad is not null)
            {
                throw new CurvatureException(
                    $"The function given to {GetType().Name} called backward(). It should only compute and return the loss; gradient and curvature are made here.");
            }
        }

        if (!loss.requires_grad)
        {
            throw new CurvatureException($"The loss given to {GetType().Name} depends on no trainable parameter with its graph: compute it inside the function, without no_grad or detach.");
        }
    }
}
