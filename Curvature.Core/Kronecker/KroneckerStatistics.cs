using Curvature.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The factors of a layer, a pair a group: <c>A = (1/R) sum_nt a_nt a_nt^T</c> over the R positions that count, <c>G = (1/W) sum_nt g_nt g_nt^T</c> (expand), or the same of the mean
/// inputs and the summed gradients of each sample (reduce).
/// <para>
/// A position counts if a gradient arrives there: ignored labels, padding and what only dead units see leave A as it is, as they leave G. (A position without gradient adds nothing to
/// <c>sum_nt (g g^T) (x) (a a^T)</c>, so A is the mean over those that do.)
/// </para>
/// </summary>
internal sealed class KroneckerStatistics : LayerStatistics
{
    private readonly MatrixLayout _layout;
    private readonly bool _reduce;
    private readonly bool _identity;
    private readonly DecayedSum _a, _g, _rows;
    private Tensor? _arrived; // sums of the gradients' sizes, over outputs and columns: not zero where one has arrived

    /// <param name="name">The layer.</param>
    /// <param name="indices">Its weight, and its bias where that is part of the matrix.</param>
    /// <param name="shape">The weight as matrices.</param>
    /// <param name="options">Gradients and sharing.</param>
    /// <param name="dtype">Of the factors.</param>
    /// <param name="device">Where they lie.</param>
    public KroneckerStatistics(string name, IReadOnlyList<int> indices, MatrixShape shape, KfacOptions options, ScalarType dtype, Device device)
        : base(name, indices, BlockKind.Kronecker)
    {
        _layout = new MatrixLayout(shape, indices.Count == 2);
        _reduce = options.Sharing == WeightSharing.Reduce && !shape.IsOneHot;
        _identity = options.Gradients == FactorGradients.Identity;
        long k = shape.Groups, inputs = shape.Inputs + (indices.Count - 1);
        _a = new DecayedSum(shape.IsOneHot ? [k, inputs] : [k, inputs, inputs], dtype, device);
        _g = new DecayedSum([k, shape.Outputs, shape.Outputs], dtype, device);
        _rows = new DecayedSum([k], ScalarType.Float64, device);
    }

    public override IReadOnlyList<(string Key, DecayedSum Sum)> Sums => [("A", _a), ("A.rows", _rows), ("G", _g)];

    /// <summary>The layer's matrices.</summary>
    public MatrixLayout Layout => _layout;

    public override void AddGradients(PulledBack column)
    {
        using DisposeScope scope = NewDisposeScope();
        if (column.OutputGradients(Indices[0], _layout.Shape) is not { } g)
        {
            return;
        }

        Tensor arrived = g.abs().sum(dim: 2); // [N, K, T]: a tenth of the time of asking whether any entry is not zero
        Tensor? before = _arrived;
        _arrived = (before is null ? arrived : before.add(arrived)).DetachFromDisposeScope();
        before?.Dispose();
        if (!_identity)
        {
            Tensor X = DenseInputs.Columns(_reduce ? g.sum(dim: 3, keepdim: true) : g);
            _g.Add(X.bmm(X.transpose(1, 2)));
        }
    }

    public override void EndBatch(PulledBack last, double? identity)
    {
        using DisposeScope scope = NewDisposeScope();
        if (_arrived is null)
        {
            return;
        }

        Tensor counted = _arrived.ne(0).to(_arrived.dtype);
        LayerInputs inputs = Inputs(last, _layout)!;
        if (_reduce)
        {
            inputs = ((DenseInputs)inputs).Mean(counted);
            counted = counted.gt(0).any(dim: 2, keepdim: true).to(counted.dtype);
        }

        _a.Add(inputs.Moment(counted));
        _rows.Add(counted.sum(dim: 2, type: ScalarType.Float64).sum(dim: 0));
        if (identity is { } scale)
        {
            _g.Add(eye(_layout.Shape.Outputs, _layout.Shape.Outputs, counted.dtype, counted.device).mul(scale).unsqueeze(0).repeat(_layout.Groups, 1, 1));
        }

        Forget();
    }

    public override void StartAtIdentity(double weight, double share)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = (_rows.Present ?? ones_like(_rows.Value)).mul(share);
        _rows.Value.add_(rows);
        Tensor identity = rows.to(_a.Value.dtype).unsqueeze(1);
        (_a.Value.dim() == 2 ? _a.Value : _a.Value.diagonal(0, 1, 2)).add_(identity);
        _g.Value.diagonal(0, 1, 2).add_(weight);
    }

    public override void ScaleGradients(double factor)
    {
        if (!_identity)
        {
            _g.Scale(factor);
        }
    }

    public override LayerBlock Restore(IReadOnlyDictionary<string, Tensor> parts)
    {
        (long k, long rows, long columns) = (_layout.Groups, _layout.Rows, _layout.Columns);
        if (parts.TryGetValue("eigenvalues", out Tensor? values))
        {
            Require(parts, "eigenvalues", _a.DType, shape => shape is [var groups, var m, var n] && (groups, m, n) == (k, rows, columns));
            foreach ((string key, long side) in ((string, long)[])[("left", rows), ("right", columns)])
            {
                _ = parts.ContainsKey(key) ? Require(parts, key, _a.DType, shape => IsSquare(shape, k, side)) : null; // unit vectors are not written down
            }

            EigenBlock block = new(Name, _layout, parts.GetValueOrDefault("left"), parts.GetValueOrDefault("right"), values);
            foreach (Tensor part in parts.Values)
            {
                part.Dispose(); // it has handles of its own
            }

            return block;
        }

        Require(parts, "left", _a.DType, shape => IsFactor(shape, k, rows));
        Require(parts, "right", _a.DType, shape => IsFactor(shape, k, columns));
        return new KroneckerBlock(Name, _layout, new KroneckerFactor(parts["left"], _layout.Rows), new KroneckerFactor(parts["right"], _layout.Columns));
    }

    public override LayerBlock ToBlock(double weight)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = _rows.Value.to(_a.Value.dtype), used = where(rows.gt(0), rows, ones_like(rows));
        KroneckerFactor a = new(_a.Value.div(_a.Value.dim() == 2 ? used.reshape(-1, 1) : used.reshape(-1, 1, 1))), g = new(_g.Value.div(weight));
        return _layout.Shape.IsOneHot ? new KroneckerBlock(Name, _layout, a, g) : new KroneckerBlock(Name, _layout, g, a);
    }

    public override void Drop()
    {
        Forget();
        base.Drop();
    }

    /// <summary>What the layer's matrices multiply, the 1 of the bias included; null where it was not called.</summary>
    public static LayerInputs? Inputs(PulledBack column, int weight, MatrixLayout layout) =>
        column.Inputs(weight) is { } inputs ? layout.HasBias ? ((DenseInputs)inputs).WithOnes() : inputs : null;

    private static bool IsSquare(ReadOnlySpan<long> shape, long groups, long side) => shape.SequenceEqual([groups, side, side]);

    /// <summary>Whole matrices, diagonals (an embedding's tokens), or blocks on the diagonal of one matrix.</summary>
    private static bool IsFactor(ReadOnlySpan<long> shape, long groups, long side) =>
        IsSquare(shape, groups, side) || shape.SequenceEqual([groups, side]) || (groups == 1 && shape is [var n, var b, var again] && b == again && b > 0 && (n - 1) * b < side && n * b >= side);

    private LayerInputs? Inputs(PulledBack column, MatrixLayout layout) => Inputs(column, Indices[0], layout);

    private void Forget()
    {
        _arrived?.Dispose();
        _arrived = null;
    }
}
