using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Pruning;

/// <summary>The weights of a model while they are pruned: which of them can go, which have gone, and what they were.</summary>
internal sealed class Weights : IDisposable
{
    private readonly ParameterSpace _parameters;
    private readonly Tensor _original;
    private readonly long[] _prunable; // positions in theta, in order
    private readonly bool[] _gone; // by position in _prunable
    private bool _keep;

    /// <exception cref="CurvatureException">No parameter of two dimensions, or a sparsity that is none or below what there is.</exception>
    public Weights(ParameterSpace parameters, double sparsity)
    {
        if (!(sparsity > 0 && sparsity < 1))
        {
            throw new CurvatureException(FormattableString.Invariant($"The sparsity is the share of weights to prune, above 0 and below 1; got {sparsity}."));
        }

        _parameters = parameters;
        _prunable = [.. Enumerable.Range(0, parameters.Parameters.Count)
            .Where(i => parameters.Parameters[i].dim() >= 2)
            .SelectMany(i => Positions(parameters.Offset(i), parameters.Parameters[i].numel()))];
        if (_prunable.Length == 0)
        {
            throw new CurvatureException(
                $"There is nothing to prune: none of {string.Join(", ", parameters.Names)} has two dimensions or more; biases and scales of norms stay.");
        }

        _original = parameters.Snapshot().DetachFromDisposeScope();
        double[] values = Values(_original);
        _gone = [.. _prunable.Select(at => values[at] == 0)];
        if (Sparsity >= sparsity)
        {
            _original.Dispose();
            throw new CurvatureException(FormattableString.Invariant(
                $"{100 * Sparsity:f2} % of the weights are zero already, at least as many as the sparsity asked for, {sparsity}. Ask for more."));
        }
    }

    /// <summary>Share of the prunable weights that is gone.</summary>
    public double Sparsity => (double)_gone.Count(gone => gone) / _gone.Length;

    /// <summary>The present values, <c>[P]</c>, in the caller's scope.</summary>
    public Tensor Theta() => _parameters.Snapshot();

    /// <summary>True for what is gone, boolean <c>[P]</c> on the parameters' device, in the caller's scope.</summary>
    public Tensor Mask()
    {
        bool[] mask = new bool[_parameters.Count];
        for (int i = 0; i < _gone.Length; i++)
        {
            mask[_prunable[i]] = _gone[i];
        }

        return tensor(mask, device: _parameters.Device);
    }

    /// <summary>Takes the weights of the lowest scores, as many as make the sparsity, ties in order of position; what is gone stays so.</summary>
    /// <param name="scores"><c>[P]</c>.</param>
    /// <param name="sparsity">The share that is to be gone.</param>
    public void Take(Tensor scores, double sparsity)
    {
        double[] values = Values(scores);
        int[] left = [.. Enumerable.Range(0, _gone.Length).Where(i => !_gone[i])];
        int count = (int)Math.Round(sparsity * _gone.Length) - (_gone.Length - left.Length);
        foreach (int i in left.OrderBy(i => values[_prunable[i]]).Take(count))
        {
            _gone[i] = true;
        }
    }

    /// <summary>Adds a change <c>[P]</c> to the parameters and sets what is gone to zero.</summary>
    /// <exception cref="NonFiniteException">The change is not finite.</exception>
    public void Write(Tensor? change)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor theta = Theta();
        if (change is not null)
        {
            theta.add_(change);
        }

        if (!Finite.Everywhere(theta))
        {
            throw new NonFiniteException("A pruned weight is not finite: raise the damping, or compute in float64.");
        }

        Set(theta.masked_fill(Mask(), 0));
    }

    /// <summary>The result; from now on the parameters stay as they are.</summary>
    public PruningResult Finish(IReadOnlyList<PruningStep> steps)
    {
        _keep = true;
        var layers = new List<PrunedLayer>();
        int first = 0;
        for (int p = 0; p < _parameters.Parameters.Count; p++)
        {
            if (_parameters.Parameters[p].dim() >= 2)
            {
                int count = (int)_parameters.Parameters[p].numel();
                layers.Add(new PrunedLayer(_parameters.Names[p], count, _gone.AsSpan(first, count).Count(true)));
                first += count;
            }
        }

        return new PruningResult(Mask().DetachFromDisposeScope(), layers, steps);
    }

    /// <summary>Puts everything back as it was, unless it is finished.</summary>
    public void Dispose()
    {
        if (!_keep)
        {
            using IDisposable noGrad = no_grad();
            Set(_original);
        }

        _original.Dispose();
    }

    private static double[] Values(Tensor vector)
    {
        using DisposeScope scope = NewDisposeScope();
        return vector.to(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    private static IEnumerable<long> Positions(long first, long count)
    {
        for (long i = 0; i < count; i++)
        {
            yield return first + i;
        }
    }

    private void Set(Tensor theta)
    {
        using DisposeScope scope = NewDisposeScope();
        IReadOnlyList<Tensor> parts = _parameters.Split(theta);
        for (int i = 0; i < parts.Count; i++)
        {
            _parameters.Parameters[i].copy_(parts[i]);
        }
    }
}
