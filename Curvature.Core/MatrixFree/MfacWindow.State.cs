using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <content>State: gradients, their Gram matrix and its factor, so that a run goes on bit for bit.</content>
public sealed partial class MfacWindow
{
    /// <summary>
    /// The state that a run goes on from, bit for bit: <c>window [m, d]</c> (kept parameters only, and of several ranks this one's), <c>gram [m, m]</c>, <c>factor [m, m]</c> (zero where it was not asked for) and
    /// <c>insertions</c>. The window and the Gram matrix are live: write them out before the next insertion. The handles are the caller's. Options are not in it; another lambda makes the factor anew.
    /// </summary>
    public IReadOnlyDictionary<string, Tensor> StateDict() => new Dictionary<string, Tensor>(StringComparer.Ordinal)
    {
        ["window"] = _window.Rows.alias(),
        ["gram"] = _gram.S.alias(),
        ["factor"] = _gram.FactorState(),
        ["insertions"] = tensor(Insertions),
    };

    /// <summary>Takes over such a state, copied; with several ranks by all of them together, or by none where one is refused.</summary>
    /// <param name="state">As <see cref="StateDict"/> gave it, on any device; with several ranks also that of a process alone, of which each takes its columns.</param>
    /// <exception cref="CurvatureException">A tensor is missing, or of another shape or type; the window is as before.</exception>
    /// <exception cref="NonFiniteException">A tensor holds NaN or infinity; the window is as before.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Tensor, Tensor, Tensor, long)? own = null;
        _ranks.Together(() => own = Checked(state));
        (Tensor window, Tensor gram, Tensor factor, long insertions) = own!.Value;
        _window.Rows.copy_(window);
        _gram.Load(gram, factor, insertions);
        _window.Filled = _gram.Count;
    }

    /// <summary>This rank's part of a state.</summary>
    private (Tensor Window, Tensor Gram, Tensor Factor, long Insertions) Checked(IReadOnlyDictionary<string, Tensor> state)
    {
        bool isWhole = _ranks.Count > 1 && state.TryGetValue("window", out Tensor? all) && all.dim() == 2 && all.shape[1] == Taking;
        Tensor window = isWhole
            ? Required(state, "window", _window.Rows.dtype, [Capacity, Taking]).narrow(1, First(_ranks.Rank), OwnParameters)
            : Required(state, "window", _window.Rows.dtype, _window.Rows.shape);
        Tensor gram = Required(state, "gram", ScalarType.Float64, _gram.S.shape), factor = Required(state, "factor", ScalarType.Float64, _gram.S.shape);
        long insertions = Required(state, "insertions", ScalarType.Int64, []).ToInt64();
        return insertions is >= 0 and <= long.MaxValue / 2
            ? (window, gram, factor, insertions)
            : throw new CurvatureException($"The state of a window counts its insertions from 0 to 2^62; got {insertions}.");
    }

    private static Tensor Required(IReadOnlyDictionary<string, Tensor> state, string name, ScalarType type, long[] shape)
    {
        if (!state.TryGetValue(name, out Tensor? value) || value.dtype != type || !value.shape.SequenceEqual(shape))
        {
            string got = value is null ? "none" : $"[{string.Join(", ", value.shape)}] of {value.dtype}";
            throw new CurvatureException(
                $"The state of this window has '{name}' [{string.Join(", ", shape)}] of {type}; got {got}. Make the window with the same sizes, storage and mask.");
        }

        return Finite.Everywhere(value) ? value : throw new NonFiniteException($"'{name}' in the state of the window holds NaN or infinity: the file is damaged.");
    }
}
