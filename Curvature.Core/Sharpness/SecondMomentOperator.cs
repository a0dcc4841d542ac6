using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// <c>C^{-1/2} D C^{-1/2}</c> on matrices M <c>[r, r]</c> as vectors <c>[r^2]</c>, where a step of stochastic gradient descent takes the second moment M of the distance to a minimum to
/// <c>M - 2 eta C M + eta^2 D M</c>: <c>C M = (H M + M H) / 2</c> and <c>D M = (1 - p) H M H + (p / n) sum_i H_i M H_i</c>. In H's eigenvectors C multiplies entry (k, l) by
/// <c>(lambda_k + lambda_l) / 2</c>. Symmetric, positive semi-definite; a product costs <c>4 n c r^2</c> multiplications and <c>n c r</c> numbers of memory.
/// </summary>
internal sealed class SecondMomentOperator : LinearOperator
{
    private readonly SampleCurvatures _samples;
    private readonly double _p;
    private readonly Tensor _scale;
    private readonly Tensor _mean;

    /// <param name="samples">H_i; stay the caller's.</param>
    /// <param name="p">Weight of the samples apart: <c>E[H_B M H_B] = D M</c>.</param>
    public SecondMomentOperator(SampleCurvatures samples, double p)
        : base((long)samples.Spectrum.Count * samples.Spectrum.Count, (long)samples.Spectrum.Count * samples.Spectrum.Count, isSymmetric: true, ScalarType.Float64, CPU)
    {
        (_samples, _p) = (samples, p);
        using DisposeScope scope = NewDisposeScope();
        Tensor lambda = tensor(samples.Spectrum.ToArray());
        _scale = lambda.unsqueeze(0).add(lambda.unsqueeze(1)).mul_(0.5).rsqrt().DetachFromDisposeScope();
        _mean = lambda.unsqueeze(0).mul(lambda.unsqueeze(1)).mul_(1 - p).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V)
    {
        long r = _scale.shape[0], n = _samples.Rows.shape[0], c = _samples.Rows.shape[1];
        Tensor apart = _samples.Rows, flat = apart.reshape(n * c, r);
        Tensor[] columns = new Tensor[V.shape[1]];
        for (int k = 0; k < columns.Length; k++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor M = V.select(1, k).reshape(r, r).mul(_scale);
            Tensor T = flat.mm(M);                                                                   // R_i M
            Tensor Y = c == 1
                ? flat.mul(T.mul(flat).sum(1, keepdim: true))                                        // (R_i M R_i^T) R_i
                : T.reshape(n, c, r).bmm(apart.transpose(1, 2)).bmm(apart).reshape(n * c, r);
            Tensor D = flat.t().mm(Y).mul_(_p / n).add_(M.mul(_mean));                               // sum_i R_i^T (R_i M R_i^T) R_i
            columns[k] = D.mul_(_scale).reshape(-1).MoveToOuterDisposeScope();
        }

        return stack(columns).t();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _scale.Dispose();
        _mean.Dispose();
        base.Dispose(disposing);
    }
}
