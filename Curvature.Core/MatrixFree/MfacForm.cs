using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>How the inverse of an M-FAC matrix is held.</summary>
internal abstract class MfacForm : IDisposable
{
    /// <summary>Size of the error of <c>lambda F^{-1}</c> in the spectral norm, from what is stored rounded and from the factors: at most about this.</summary>
    public abstract double Rounding { get; }

    /// <summary>Whether <c>F^{-1} G^T c</c> can be had without forming <c>G^T c</c>.</summary>
    public abstract bool HoldsWindow { get; }

    /// <summary><c>F^{-1} X</c> for <c>[d, k]</c>, a new tensor of the current scope.</summary>
    public abstract Tensor Multiply(Tensor X);

    /// <summary><c>F^{-1} G^T C</c> for float64 <c>C [m, k]</c> on the CPU, and the size of its error.</summary>
    public abstract (Tensor Product, double Error) MultiplyWindow(Tensor C);

    /// <summary>The diagonal of F^{-1}, <c>[d]</c>.</summary>
    public abstract Tensor Diagonal();

    /// <summary>Entries of F^{-1} at the given rows and columns, float64 <c>[r, c]</c>.</summary>
    public abstract Tensor Entries(Tensor rows, Tensor columns);

    /// <summary>
    /// <c>-F^{-1} E_Q (F^{-1}_QQ)^{-1} w_Q</c> and half of <c>w_Q^T (F^{-1}_QQ)^{-1} w_Q</c>, for float64 <c>w [d]</c> and Q as ones of a float64 mask <c>[d]</c>. Entries of Q
    /// may be off by rounding.
    /// </summary>
    public abstract (Tensor Change, double Increase) Eliminate(Tensor w, Tensor Q);

    public abstract void Dispose();
}
