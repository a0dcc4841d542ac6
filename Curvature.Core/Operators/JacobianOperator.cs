using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The Jacobian <c>J = dz / dtheta</c> of the model's outputs, <c>[M, P]</c>: the rows are the entries of the outputs of all batches, batch after batch, row-major.
/// No loss, weight or reduction is in it; batches without loss terms have no rows. <c>J v</c> is a directional derivative of the outputs,
/// <c>J^T u</c> a sum of their gradients.
/// <para>
/// Cost: on kept graphs <c>J v</c> (double backward) about 0.6 to 0.9 gradients, <c>J^T u</c> a backward pass, about 0.7; building the operator takes one
/// forward pass, which counts the outputs. Memory as for <see cref="GgnOperator"/>, whose algebra this is: <c>G = J^T H_l J</c>.
/// It follows the parameters, or refuses to if <see cref="CurvatureOptions.Frozen"/>, as every operator of an objective.
/// </para>
/// </summary>
public sealed class JacobianOperator : LinearOperator
{
    private readonly Objective _objective;
    private readonly BatchGraphs _graphs;

    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>); stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">The objective is not split.</exception>
    public JacobianOperator(Objective objective, CurvatureOptions? options = null)
        : base(CountOutputs(objective, options), objective.Parameters.Count, isSymmetric: false, objective.Parameters.DType, objective.Parameters.Device)
    {
        _objective = objective;
        options ??= new CurvatureOptions();
        _graphs = new BatchGraphs(objective, options, batch => new Outputs(batch.Split!, objective.Parameters, options.Extensions));
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V)
    {
        Prepare();
        Tensor rows = V.t().contiguous();
        IReadOnlyList<Tensor>[] v = [.. Enumerable.Range(0, (int)V.shape[1]).Select(j => _objective.Parameters.Split(rows.select(0, j)))];
        Tensor result = zeros(v.Length, Rows, DType, Device);
        long offset = 0;
        _graphs.ForEach(graph =>
        {
            OutputGraph outputs = ((Outputs)graph).Graph;
            Tensor stretch = Stretch(result, ref offset, outputs);
            for (int j = 0; j < v.Length; j++)
            {
                using DisposeScope scope = NewDisposeScope();
                if (outputs.Push(v[j]) is { } product)
                {
                    stretch.select(0, j).copy_(product.reshape(-1));
                }
            }
        });
        return CheckRows(result, offset).t();
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U)
    {
        Prepare();
        Tensor rows = U.t().contiguous();
        Tensor result = zeros(rows.shape[0], Columns, DType, Device);
        long offset = 0;
        _graphs.ForEach(graph =>
        {
            OutputGraph outputs = ((Outputs)graph).Graph;
            Tensor stretch = Stretch(rows, ref offset, outputs);
            for (long j = 0; j < rows.shape[0]; j++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor?[] parts = outputs.Pull(stretch.select(0, j).reshape(outputs.Outputs.shape));
                _objective.Accumulate(result.select(0, j), parts, 1);
            }
        });
        CheckRows(rows, offset);
        return result.t();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _graphs.Dispose();
        base.Dispose(disposing);
    }

    private static long CountOutputs(Objective objective, CurvatureOptions? options)
    {
        using IDisposable noGrad = no_grad();
        long count = 0;
        foreach (ObjectiveBatch batch in objective.RequireSplit("A Jacobian").RequireOneRank("A Jacobian", "its rows are the outputs of single samples").Pass(options?.Cancellation ?? default))
        {
            using DisposeScope scope = NewDisposeScope();
            count += batch.Split!.Evaluate().Outputs.numel();
        }

        return count;
    }

    private void Prepare()
    {
        _objective.EnsureLinearizable("a Jacobian");
        _objective.EnsureDeterministic();
    }

    private Tensor Stretch(Tensor rows, ref long offset, OutputGraph outputs)
    {
        long count = outputs.Outputs.numel(), first = offset;
        offset += count;
        return offset <= Rows ? rows.narrow(1, first, count) : throw OtherRows(offset);
    }

    private Tensor CheckRows(Tensor result, long seen) => seen == Rows ? result : throw OtherRows(seen);

    private CurvatureException OtherRows(long seen) => new(
        $"The data had {Rows} outputs when this Jacobian was made and gave {seen} now: batches must be the same each time.");

    private sealed class Outputs(SplitBatch batch, ParameterSpace parameters, IEngineExtensions? extensions) : BatchGraph
    {
        public OutputGraph Graph { get; } = new(batch, batch.Evaluate().Outputs, parameters, extensions);

        public override bool CanBeKept => Graph.CanBeKept;

        protected override void Dispose(bool disposing)
        {
            Graph.Dispose();
            base.Dispose(disposing);
        }
    }
}
