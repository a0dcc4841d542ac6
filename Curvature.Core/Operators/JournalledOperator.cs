using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A, whose products are written to a <see cref="ProductJournal"/> and, where the journal has them from an earlier run, read there instead of computed. The products are those of A, bit for bit, and count as products
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
    protected override Tensor Multiply(Tensor V) => journal.Product(name, V, Rows, () => a.Apply(V));

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => journal.Product($"{name}, transposed", U, Columns, () => a.ApplyTranspose(U));
}
