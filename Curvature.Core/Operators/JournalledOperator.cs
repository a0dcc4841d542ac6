using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A, whose products and quadratic forms are written to a <see cref="ProductJournal"/> and, where the journal has them from an earlier run, read there instead of computed. The products are those of A, bit for bit, and count as products
/// asked of this operator either way. Both are referred to and not owned. Memory: a copy of a product in main memory while it is written or read.
/// </summary>
/// <param name="a">A.</param>
/// <param name="name">What tells A from the job's other operators.</param>
/// <param name="journal">The job's record.</param>
public sealed class JournalledOperator(LinearOperator a, string name, ProductJournal journal) : LinearOperator(a.Rows, a.Columns, a.IsSymmetric, a.DType, a.Device)
{
    /// <inheritdoc/>
    public override ParameterSpace? Parameters => a.Parameters;

    /// <inheritdoc/>
    public override double? ExactTrace => a.ExactTrace;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => journal.Product(name, V, Rows, DType, () => a.Apply(V));

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => journal.Product($"{name}, transposed", U, Columns, DType, () => a.ApplyTranspose(U));

    /// <inheritdoc/>
    private protected override Tensor Forms(Tensor V, ParameterSpace? blocks) =>
        journal.Product(blocks is null ? $"{name}, forms" : $"{name}, forms by parameter", V, blocks?.Parameters.Count ?? 1, ScalarType.Float64, () => FormsOf(a, V, blocks));
}
