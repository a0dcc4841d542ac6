using Curvature.Data;
using Curvature.Implicit;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.MatrixFree;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Implicit;

/// <summary>Hypergradients beside closed forms (ridge regression), dense matrices and retraining.</summary>
public sealed class BilevelProblemTests
{
    public static TheoryData<string> Solvers => [.. KnownSolvers.Names];

    [Theory]
    [MemberData(nameof(Solvers))]
    public void Of_ridge_regression_every_solver_gives_the_closed_form(string solver)
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new();
        using Hypergradient found = ridge.Problem.Gradient(KnownSolvers.Create(solver, new LinearSolverOptions { Tolerance = 1e-11, MaxProducts = 3000 }));

        Assert.True(Matrices.RelativeDifference(found.Value, ridge.Hypergradient()) < 1e-9, $"{found.Value} and {ridge.Hypergradient()}");
        Assert.True(Matrices.RelativeDifference(found.Adjoint, ridge.Adjoint()) < 1e-9);
        Assert.True(found.Converged);
        Assert.Null(found.Remark);
        Assert.InRange(found.Residual, 0, 1e-11);
        Assert.InRange(found.TrainingGradientNorm, 0, 1e-12);
        Assert.Equal(0, found.Direct.norm().ToDouble());
        Assert.InRange(found.Products, 2, 3000);
    }

    [Fact]
    public void Kfac_inverts_a_linear_model_exactly_and_M_fac_its_empirical_Fisher_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new(penaltiesDiffer: false);
        Objective plain = ridge.Plain();
        using KfacOperator kfac = KfacOperator.Of(plain, ridge.Model, new KfacOptions { Gradients = FactorGradients.Exact });
        using KfacInverse inverse = new(kfac, ridge.Penalties[0], DampingRule.ExactEigen);
        using Hypergradient exact = ridge.Problem.Gradient(inverse, tolerance: 1e-10);
        Assert.True(Matrices.RelativeDifference(exact.Value, ridge.Hypergradient()) < 1e-9);
        Assert.True(exact.Converged);
        Assert.Equal(1, exact.Products);

        // M-FAC's matrix is not the Hessian, which its residual says; of its own matrix the solution is exact.
        using MfacInverse mfac = MfacInverse.FromSamples(plain, ridge.Model, new MfacOptions { Damping = ridge.Penalties[0] });
        using Hypergradient rough = ridge.Problem.Gradient(mfac);
        Assert.False(rough.Converged);
        Assert.InRange(rough.Residual, 0.01, 10);
        Assert.Contains("MfacInverse is an approximation", rough.Remark, StringComparison.Ordinal);
        using EmpiricalFisherOperator fisher = new(plain);
        using Hypergradient own = ridge.Problem.Gradient(mfac, fisher, ridge.Penalties[0], tolerance: 1e-9);
        Assert.True(own.Converged, own.Remark);
        Assert.True(Matrices.RelativeDifference(own.Value, rough.Value) < 1e-14);
        using Hypergradient solved = ridge.Problem.Gradient(new ConjugateGradient { Tolerance = 1e-11 }, fisher, ridge.Penalties[0]);
        Assert.True(Matrices.RelativeDifference(solved.Value, own.Value) < 1e-8);
    }

    [Fact]
    public void A_ridge_moves_the_matrix_and_the_direct_term_is_added()
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new(validationReads: true);
        using Hypergradient found = ridge.Problem.Gradient(new ConjugateGradient { Tolerance = 1e-12 }, ridge: 0.7);
        Assert.True(Matrices.RelativeDifference(found.Value, ridge.Hypergradient(0.7)) < 1e-9, $"{found.Value} and {ridge.Hypergradient(0.7)}");
        Assert.True(Matrices.RelativeDifference(found.Direct, ridge.LogPenalties.detach().mul(2)) < 1e-12);
    }

    [Fact]
    public void Of_a_logistic_regression_it_is_what_retraining_gives()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor X = randn([90, 6], ScalarType.Float64, generator: new Generator(1)).to(Here);
        Tensor y = X.narrow(1, 0, 3).add(randn([90, 3], ScalarType.Float64, generator: new Generator(2)).to(Here), 0.8).argmax(1);
        manual_seed(3);
        Linear model = nn.Linear(6, 3, dtype: ScalarType.Float64).to(Here);
        Parameter logs = new(tensor([-3.0, -1.5], device: Here));
        Tensor Loss(Batch batch)
        {
            Tensor penalty = cat([model.weight!.square().sum().reshape(1), model.bias!.square().sum().reshape(1)]);
            return new CrossEntropy().Value(model.call(batch.Inputs), batch.Targets).add(logs.exp().mul(penalty).sum().mul(0.5));
        }

        ParameterSpace w = ParameterSpace.Of(model);
        Objective training = Objective.FromClosure(w, [new Batch(X.narrow(0, 0, 25), y.narrow(0, 0, 25)), new Batch(X.narrow(0, 25, 35), y.narrow(0, 25, 35))], Loss, batch => batch.Inputs.shape[0]);
        Objective validation = Objective.Supervised(model, new CrossEntropy(), [new Batch(X.narrow(0, 60, 30), y.narrow(0, 60, 30))]);
        double Retrained(int index, double step)
        {
            using (no_grad())
            {
                logs.narrow(0, index, 1).add_(step);
            }

            Minimise(training);
            double loss = validation.Value();
            using (no_grad())
            {
                logs.narrow(0, index, 1).sub_(step);
            }

            return loss;
        }

        Minimise(training);
        BilevelProblem problem = new(training, validation, new ParameterSpace([("logs", logs)]));
        using Hypergradient found = problem.Gradient(new Minres { Tolerance = 1e-11 });
        Assert.InRange(found.TrainingGradientNorm, 0, 1e-10);
        for (int i = 0; i < 2; i++)
        {
            // Truncation h^2 = 1e-6 relative, and errors of the minima, square of 1e-11, over h.
            double difference = (Retrained(i, 1e-3) - Retrained(i, -1e-3)) / 2e-3;
            Assert.Equal(difference, found.Value[i].ToDouble(), 1e-5 * Math.Abs(difference) + 1e-9);
        }
    }

    [Fact]
    public void The_mixed_product_is_the_difference_of_training_gradients_over_hyperparameters()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Sequential model = nn.Sequential(nn.Linear(4, 5, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(5, 2, dtype: ScalarType.Float64)).to(Here);
        Tensor X = randn([12, 4], ScalarType.Float64).to(Here), Y = randn([12, 2], ScalarType.Float64).to(Here);
        Parameter slopes = new(tensor([0.5, -0.3], device: Here)), weights = new(rand([12], ScalarType.Float64).to(Here)); // data weights, and a slope for each output: two tensors
        Objective training = Objective.FromClosure(
            ParameterSpace.Of(model),
            [(First: 0L, Count: 5L), (First: 5L, Count: 7L)],
            b => model.call(X.narrow(0, b.First, b.Count)).mul(slopes.exp()).sub(Y.narrow(0, b.First, b.Count)).square().sum(1).mul(weights.narrow(0, b.First, b.Count)).mean(),
            b => b.Count,
            l2: 0.1);
        ParameterSpace lambda = new([("slopes", slopes), ("weights", weights)]);
        BilevelProblem problem = new(training, training, lambda);
        Tensor v = randn([training.Parameters.Count], ScalarType.Float64).to(Here);

        Tensor product = problem.MixedProduct(v), at = lambda.Snapshot();
        Assert.True(weights.grad is null && slopes.grad is null);
        double[] differences = [.. Enumerable.Range(0, (int)lambda.Count).Select(j =>
        {
            double Along(double step)
            {
                Tensor moved = at.clone();
                moved.narrow(0, j, 1).add_(step);
                lambda.Assign(moved);
                return training.Gradient().dot(v).ToDouble();
            }

            return (Along(1e-5) - Along(-1e-5)) / 2e-5;
        })];
        lambda.Assign(at);
        Assert.True(Matrices.RelativeDifference(product, tensor(differences, device: Here)) < 1e-8);

        // Where it is no minimum it says so, and the direct term is the plain derivative.
        using Hypergradient found = problem.Gradient(new Minres { Tolerance = 1e-9 });
        Assert.Equal(training.Gradient().norm().ToDouble(), found.TrainingGradientNorm, 1e-12);
        Assert.True(found.Direct.norm().ToDouble() > 0.01);
    }

    [Fact]
    public void A_solve_that_falls_short_says_so_and_gives_what_it_has()
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new();
        using Hypergradient few = ridge.Problem.Gradient(new NeumannSeries { MaxProducts = 30 });
        Assert.False(few.Converged);
        Assert.Contains("Allow more", few.Remark, StringComparison.Ordinal);
        Assert.True(Matrices.RelativeDifference(few.Value, ridge.Hypergradient()) < 0.5);

        // Just outside 2 / lambda_max a few terms grow slowly, and it is told all the same; just inside they do not.
        double limit = 2 / linalg.eigvalsh(ridge.Hessian()).max().ToDouble();
        using Hypergradient outside = ridge.Problem.Gradient(new NeumannSeries { StepSize = 1.05 * limit, MaxProducts = 20 });
        Assert.Contains("The series diverges", outside.Remark, StringComparison.Ordinal);
        using Hypergradient inside = ridge.Problem.Gradient(new NeumannSeries { StepSize = 0.95 * limit, MaxProducts = 20 });
        Assert.DoesNotContain("diverges", inside.Remark, StringComparison.Ordinal);

        // A matrix that is not positive definite.
        using Hypergradient indefinite = ridge.Problem.Gradient(new ConjugateGradient(), ridge: -2 / limit);
        Assert.False(indefinite.Converged);
        Assert.Contains("not positive definite", indefinite.Remark, StringComparison.Ordinal);
    }

    [Fact]
    public void Warm_starts_and_preconditioners_save_products()
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new();
        ConjugateGradient solver = new() { Tolerance = 1e-8 };
        using Hypergradient cold = ridge.Problem.Gradient(solver);
        using Hypergradient warm = ridge.Problem.Gradient(solver with { Start = cold.Adjoint });
        Assert.True(warm.Products < cold.Products / 2, $"{warm.Products} and {cold.Products}");
        Tensor inverse = linalg.solve(ridge.Hessian(), eye(8, dtype: ScalarType.Float64, device: Here));
        using Hypergradient preconditioned = ridge.Problem.Gradient(solver, preconditioner: new MatrixOperator(inverse.add(inverse.t()).mul(0.5)));
        Assert.True(preconditioned.Products <= 4, $"{preconditioned.Products}");
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using DisposeScope scope = NewDisposeScope();
        Ridge ridge = new();
        Objective training = ridge.Problem.Training;
        Linear other = nn.Linear(4, 2, hasBias: false, dtype: ScalarType.Float64).to(Here);
        string Refused(Action act) => Assert.ThrowsAny<CurvatureException>(act).Message;

        Assert.Contains("same parameters", Refused(() => _ = new BilevelProblem(training, Objective.Supervised(other, new MeanSquaredError(), ridge.Data), ridge.Problem.Hyperparameters)), StringComparison.Ordinal);
        Assert.Contains("'frozen' is frozen", Refused(() => _ = new BilevelProblem(training, training, new ParameterSpace([("frozen", zeros(2, ScalarType.Float64, device: Here))]))), StringComparison.Ordinal);
        Assert.Contains("is one of the parameters", Refused(() => _ = new BilevelProblem(training, training, training.Parameters)), StringComparison.Ordinal);
        Assert.Contains("is computed from others", Refused(() => _ = new BilevelProblem(training, training, new ParameterSpace([("exp", ridge.LogPenalties.exp())]))), StringComparison.Ordinal);
        Assert.Contains("finite ridge", Refused(() => ridge.Problem.Gradient(new Minres(), ridge: double.NaN)), StringComparison.Ordinal);
        Assert.Contains("3 x 3", Refused(() => ridge.Problem.Gradient(new Minres(), new DiagonalOperator(ones(3, ScalarType.Float64, device: Here)))), StringComparison.Ordinal);
        using (no_grad())
        {
            ridge.LogPenalties.fill_(1000);
        }

        Assert.IsType<NonFiniteException>(Assert.ThrowsAny<CurvatureException>(() => ridge.Problem.MixedProduct(ones(8, ScalarType.Float64, device: Here))));
    }

    private static void Minimise(Objective objective)
    {
        for (int step = 0; step < 30; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor g = objective.Gradient();
            if (g.norm().ToDouble() < 1e-12)
            {
                return;
            }

            using HessianOperator hessian = new(objective);
            objective.Parameters.Assign(objective.Parameters.Snapshot().sub(linalg.solve(hessian.ToDense(), g)));
        }
    }

    /// <summary>Two outputs of four inputs, a penalty for each input pair: w* and all derivatives are known.</summary>
    private sealed class Ridge
    {
        private readonly Tensor _X, _Y, _Xv, _Yv;
        private readonly bool _validationReads;

        public Ridge(bool penaltiesDiffer = true, bool validationReads = false)
        {
            _validationReads = validationReads;
            _X = randn([20, 4], ScalarType.Float64, generator: new Generator(1)).to(Here);
            _Y = randn([20, 2], ScalarType.Float64, generator: new Generator(2)).to(Here);
            _Xv = randn([15, 4], ScalarType.Float64, generator: new Generator(3)).to(Here);
            _Yv = randn([15, 2], ScalarType.Float64, generator: new Generator(4)).to(Here);
            LogPenalties = new Parameter(tensor(penaltiesDiffer ? new double[] { -2, -1 } : [-1.5, -1.5], device: Here));
            Model = nn.Linear(4, 2, hasBias: false, dtype: ScalarType.Float64).to(Here);
            Problem = new BilevelProblem(
                Objective.FromClosure(ParameterSpace.Of(Model), Data, batch => new MeanSquaredError().Value(Model.call(batch.Inputs), batch.Targets).add(Penalty()), batch => batch.Inputs.shape[0]),
                Objective.FromClosure(
                    ParameterSpace.Of(Model),
                    [new Batch(_Xv, _Yv)],
                    batch => new MeanSquaredError().Value(Model.call(batch.Inputs), batch.Targets).add(_validationReads ? LogPenalties.square().sum() : zeros(1, ScalarType.Float64, device: Here).sum()),
                    batch => batch.Inputs.shape[0]),
                new ParameterSpace([("log penalties", LogPenalties)]));

            // Stationary: (X^T X / N + Lambda) W^T = X^T Y / N, the loss being the mean over 2 N entries.
            using IDisposable noGrad = no_grad();
            Tensor W = linalg.solve(_X.t().mm(_X).div(20).add(Lambda().diag()), _X.t().mm(_Y).div(20)).t();
            Model.weight!.copy_(W);
        }

        public Linear Model { get; }

        public BilevelProblem Problem { get; }

        public Parameter LogPenalties { get; }

        public double[] Penalties => [.. LogPenalties.detach().exp().cpu().data<double>()];

        public IReadOnlyList<Batch> Data => [new Batch(_X.narrow(0, 0, 13), _Y.narrow(0, 0, 13)), new Batch(_X.narrow(0, 13, 7), _Y.narrow(0, 13, 7))];

        /// <summary>The loss without penalties.</summary>
        public Objective Plain() => Objective.Supervised(Model, new MeanSquaredError(), Data);

        /// <summary>In the order of the flat weight: <c>I_2 (x) (X^T X / N + Lambda)</c>.</summary>
        public Tensor Hessian() => kron(eye(2, dtype: ScalarType.Float64, device: Here), _X.t().mm(_X).div(20).add(Lambda().diag()));

        public Tensor Adjoint(double ridge = 0)
        {
            Tensor gradient = Model.weight!.detach().mm(_Xv.t()).sub(_Yv.t()).mm(_Xv).div(15);
            return linalg.solve(Hessian().add(eye(8, dtype: ScalarType.Float64, device: Here), ridge), gradient.reshape(-1));
        }

        public Tensor Hypergradient(double ridge = 0)
        {
            Tensor mixed = Adjoint(ridge).reshape(2, 4).mul(Model.weight!.detach()).mul(Lambda()); // exp(l_i) w x, to be summed over its inputs
            Tensor direct = _validationReads ? LogPenalties.detach().mul(2) : zeros(2, ScalarType.Float64, device: Here);
            return direct.sub(stack([mixed.narrow(1, 0, 2).sum(), mixed.narrow(1, 2, 2).sum()]));
        }

        private Tensor Lambda() => Pairs(LogPenalties.detach().exp());

        private static Tensor Pairs(Tensor two) => stack([two, two], 1).reshape(4);

        private Tensor Penalty() => Pairs(LogPenalties.exp()).mul(Model.weight!.square().sum(dim: 0)).sum().mul(0.5);
    }
}
