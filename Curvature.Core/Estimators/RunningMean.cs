using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Entry-wise mean and spread of vectors that come in chunks, in two vectors of memory (Chan, Golub, LeVeque 1979, Updating Formulae: chunks are
/// merged through their means, which keeps the variance where the mean is large beside it).
/// </summary>
internal sealed class RunningMean : IDisposable
{
    private readonly Tensor _mean;
    private readonly Tensor _squares;

    public RunningMean(long length, ScalarType dtype, Device device) =>
        (_mean, _squares) = (zeros(length, dtype, device).DetachFromDisposeScope(), zeros(length, dtype, device).DetachFromDisposeScope());

    /// <summary>Vectors so far.</summary>
    public int Count { get; private set; }

    /// <summary>Their mean <c>[P]</c>; the accumulator's own.</summary>
    public Tensor Mean => _mean;

    /// <summary>Adds the columns of <c>[P, c]</c>.</summary>
    public void Add(Tensor samples)
    {
        using DisposeScope scope = NewDisposeScope();
        int c = (int)samples.shape[1];
        Tensor mean = samples.sum(dim: 1).div(c), delta = mean.sub(_mean);
        _squares.add_(samples.sub(mean.unsqueeze(1)).square().sum(dim: 1)).add_(delta.square(), (double)Count * c / (Count + c));
        _mean.add_(delta, (double)c / (Count + c));
        Count += c;
    }

    /// <summary>Standard errors of the means, <c>sqrt(sum (x - mean)^2 / (n (n - 1)))</c>, in the caller's scope; NaN for one vector.</summary>
    public Tensor StandardErrors()
    {
        using DisposeScope scope = NewDisposeScope();
        return _squares.div((double)Count * (Count - 1)).sqrt().MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _mean.Dispose();
        _squares.Dispose();
    }
}
