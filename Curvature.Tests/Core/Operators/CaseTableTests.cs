using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Every matrix of an objective, over the generated problems, against its dense definition: products, adjoints and quadratic forms.</summary>
public sealed class CaseTableTests(ITestOutputHelper output)
{
    private const int Seed = 3;

    /// <summary>All but differences, whose error is that of their step (<see cref="KnownOperatorsTests"/>).</summary>
    private static readonly string[] Exact = [.. KnownOperators.Names.Where(name => name != "finite-difference-hessian")];

    public static TheoryData<string> Cases => [.. CaseTable.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_matrix_agrees_with_its_dense_definition_in_both_precisions(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = CaseTable.Create(name);
        long[] sizes = CaseTable.Sizes(name);
        Dictionary<string, Tensor> dense = Exact.ToDictionary(matrix => matrix, matrix => DenseCurvature.Of(matrix, problem, Seed, sizes));
        Tensor jacobian = DenseCurvature.Jacobian(problem, sizes);
        List<string> wrong = [];
        Check(problem.Objective(sizes), ScalarType.Float64, 1e-9);
        Check(problem.ToSinglePrecision().Objective(sizes), ScalarType.Float32, 1e-4);
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));

        void Check(Objective objective, ScalarType type, double tolerance)
        {
            foreach ((string matrix, Tensor expected) in dense)
            {
                using CurvatureOperator a = KnownOperators.Create(matrix, objective, null, Seed);
                Tensor V = randn(a.Columns, 3, type).to(Here), wide = V.to(ScalarType.Float64);
                Tensor products = expected.mm(wide), terms = wide.mul(products), scale = wide.norm().mul(products.norm());
                if (type == ScalarType.Float64)
                {
                    Tensor actual = a.ToDense();
                    Close(matrix, expected, actual, expected.norm());
                    Close($"{matrix}, transposed", actual.t(), actual, expected.norm());
                }
                else
                {
                    Close(matrix, products, a.Apply(V), expected.norm().mul(wide.norm())); // each column alone would take half of the table's time
                }

                Close($"{matrix}, forms", terms.sum(dim: 0), tensor(a.QuadraticForms(V)[0]), scale);
                foreach ((ParameterLayer layer, double[] forms) in a.Parameters.Layers.Zip(a.QuadraticForms(V, a.Parameters)))
                {
                    Close($"{matrix}, forms of {layer.Name}", terms.mul(Rows(a.Parameters, layer)).sum(dim: 0), tensor(forms), scale);
                }
            }

            using JacobianOperator j = new(objective);
            Tensor u = randn(j.Rows, 2, type).to(Here), v = randn(j.Columns, 2, type).to(Here);
            Close("jacobian", jacobian.mm(v.to(ScalarType.Float64)), j.Apply(v), jacobian.norm().mul(v.norm()));
            Close("jacobian, transposed", jacobian.t().mm(u.to(ScalarType.Float64)), j.ApplyTranspose(u), jacobian.norm().mul(u.norm()));

            void Close(string what, Tensor expected, Tensor actual, Tensor scale)
            {
                double difference = actual.to(ScalarType.Float64).to(Here).sub(expected).norm().ToDouble() / Math.Max(scale.ToDouble(), double.Epsilon);
                output.WriteLine(FormattableString.Invariant($"{type} {what}: {difference:g3}"));
                if (!(difference < tolerance))
                {
                    wrong.Add(FormattableString.Invariant($"{type} {what}: relative difference {difference:g3}"));
                }
            }
        }
    }

    /// <summary>Ones at a layer's parameters, <c>[P, 1]</c>.</summary>
    private static Tensor Rows(ParameterSpace parameters, ParameterLayer layer)
    {
        Tensor rows = zeros(parameters.Count, 1, ScalarType.Float64, device: Here);
        foreach (int i in layer.Indices)
        {
            rows.narrow(0, parameters.Offset(i), parameters.Parameters[i].numel()).fill_(1);
        }

        return rows;
    }
}
