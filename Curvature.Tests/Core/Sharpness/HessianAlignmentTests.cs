using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Domains of a small network, beside dense Hessians of its head and finite differences.</summary>
public sealed class HessianAlignmentTests
{
    public static TheoryData<AlignmentKind> Kinds => [.. Enum.GetValues<AlignmentKind>()];

    [Fact]
    public void The_penalty_is_the_spread_of_gradients_and_of_their_products_with_the_heads_Hessians()
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        (Tensor Gradient, Tensor Hessian)[] dense = [.. Enumerable.Range(0, 3).Select(domains.Dense)];
        double products = Spread([.. dense.Select(d => d.Hessian.mv(d.Gradient))]), gradients = Spread([.. dense.Select(d => d.Gradient)]);
        Tensor z = Probes.Draw(ProbeKind.Rademacher, 15, 0, 5, 3, ScalarType.Float64, Here);
        double diagonals = Spread([.. dense.Select(d => z.mul(d.Hessian.mm(z)).sum(dim: 1).div(5))]); // the same five probes for all

        Assert.Equal((0.3 * products) + (0.7 * gradients), domains.Penalty(AlignmentKind.GradientProduct, 0.3, 0.7).ToDouble(), 1e-12);
        Assert.Equal(5e-3 * gradients + (1e-4 * products), new HessianAlignment(domains.Head).Penalty(domains.Losses()).ToDouble(), 1e-12);

        HessianAlignment diagonal = new(domains.Head, AlignmentKind.Diagonal) { Alpha = 1, Beta = 0, Probes = 5, Seed = 3 };
        Assert.Equal(diagonals, diagonal.Penalty(domains.Losses()).ToDouble(), 1e-12);
        Assert.Equal(1e-3, new HessianAlignment(domains.Head, AlignmentKind.Diagonal).Alpha);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Its_gradient_in_all_parameters_is_that_of_finite_differences(AlignmentKind kind)
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        ParameterSpace all = ParameterSpace.Of(domains.Model);
        domains.Penalty(kind, 2, 0.5).backward();
        Tensor gradient = all.Flatten([.. all.Parameters.Select(p => p.grad!)]), theta = all.Snapshot();
        double[] differences = [.. Enumerable.Range(0, (int)all.Count).Select(j => (At(j, 1e-5) - At(j, -1e-5)) / 2e-5)];
        all.Assign(theta);
        Assert.True(Matrices.RelativeDifference(gradient, tensor(differences, device: Here)) < 1e-7);
        Assert.True(domains.Model.parameters().First().grad!.norm().ToDouble() > 1e-6); // it reaches below the head

        double At(int j, double step)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor moved = theta.clone();
            moved.narrow(0, j, 1).add_(step);
            all.Assign(moved);
            return domains.Penalty(kind, 2, 0.5).ToDouble();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Equal_domains_have_none(AlignmentKind kind)
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        HessianAlignment alignment = new(domains.Head, kind) { Alpha = 1, Beta = 1, Probes = 3 };
        Tensor penalty = alignment.Penalty([domains.Loss(0), domains.Loss(0), domains.Loss(0)]);
        Assert.InRange(penalty.ToDouble(), 0, 1e-25);
        penalty.backward();
        Assert.All(domains.Model.parameters(), p => Assert.InRange(p.grad!.norm().ToDouble(), 0, 1e-12));
    }

    [Fact]
    public void Descent_on_it_brings_the_domains_together_and_the_losses_stay_usable()
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        HessianAlignment alignment = new(domains.Head) { Alpha = 1, Beta = 1 };
        var sgd = optim.SGD(domains.Model.parameters(), learningRate: 0.2);
        double first = 0, last = 0;
        for (int step = 0; step < 60; step++)
        {
            using DisposeScope inner = NewDisposeScope();
            sgd.zero_grad();
            Tensor[] losses = domains.Losses();
            Tensor penalty = alignment.Penalty(losses);
            stack(losses).mean().mul(0.01).add(penalty).backward();
            sgd.step();
            last = penalty.ToDouble();
            first = step == 0 ? last : first;
        }

        Assert.True(last < 0.5 * first, $"{first} to {last}");
    }

    [Fact]
    public void The_distance_of_head_Hessians_is_the_Frobenius_norm_of_their_difference()
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        (Tensor A, Tensor B) = (domains.Dense(0).Hessian, domains.Dense(1).Hessian);
        using HessianOperator a = new(domains.Objective(0)), b = new(domains.Objective(1));
        HessianDistance exact = HessianDistance.Between(a, b, new FrobeniusNorm { MaxProbes = 100 });
        Assert.Equal(A.sub(B).norm().ToDouble(), exact.Distance.Value, 1e-10);
        Assert.Equal(2 * A.sub(B).norm().ToDouble() / (A.norm().ToDouble() + B.norm().ToDouble()), exact.Relative, 1e-10);
        Assert.Equal(0, exact.Distance.StandardError);
        Assert.Equal(0, HessianDistance.Between(a, a).Relative);
    }

    [Fact]
    public void One_domain_alone_or_a_loss_that_is_no_scalar_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        Assert.Throws<CurvatureException>(() => new HessianAlignment(domains.Head).Penalty([domains.Loss(0)]));
        Assert.Throws<CurvatureException>(() => new HessianAlignment(domains.Head) { Probes = 0 }.Penalty(domains.Losses()));
        Assert.Throws<CurvatureException>(() => new HessianAlignment(domains.Head).Penalty([domains.Loss(0).reshape(1).mul(ones(2, ScalarType.Float64, device: Here)), domains.Loss(1)]));
    }

    [Fact]
    public void Every_domain_of_every_step_is_checked_for_a_second_derivative()
    {
        using DisposeScope scope = NewDisposeScope();
        Domains domains = new();
        HessianAlignment alignment = new(domains.Head);
        Assert.True(alignment.Penalty(domains.Losses()).ToDouble() > 0);
        Tensor image = arange(16, ScalarType.Float64, device: Here).square().reshape(1, 1, 4, 4), at = domains.Head.Parameters[0].reshape(-1).narrow(0, 0, 2).reshape(1, 1, 1, 2);
        Tensor none = nn.functional.grid_sample(image, at.mul(0.1)).pow(2).sum();
        Assert.Contains("grid_sampler", Assert.Throws<NoSecondDerivativeException>(() => alignment.Penalty([domains.Loss(0), none])).Message, StringComparison.Ordinal);
        Assert.Contains("domain 1", Assert.Throws<CurvatureException>(() => alignment.Penalty([domains.Loss(0), domains.Loss(1).mul(ones(2, ScalarType.Float64, device: Here))])).Message, StringComparison.Ordinal);
    }

    private static double Spread(Tensor[] x)
    {
        Tensor all = stack(x);
        return all.sub(all.mean([0])).square().sum().ToDouble() / x.Length;
    }

    private sealed class Domains
    {
        private readonly Tensor[] _inputs, _targets;

        public Domains()
        {
            manual_seed(5);
            Model = nn.Sequential(("features", nn.Linear(3, 4, dtype: ScalarType.Float64)), ("tanh", nn.Tanh()), ("head", nn.Linear(4, 3, dtype: ScalarType.Float64))).to(Here);
            _inputs = [.. Enumerable.Range(0, 3).Select(e => randn([8, 3], ScalarType.Float64).to(Here).add(0.7 * e))];
            _targets = [.. Enumerable.Range(0, 3).Select(e => randn([8, 3], ScalarType.Float64).to(Here).argmax(1))];
            Head = ParameterSpace.Of(Model, "head.*");
        }

        public Sequential Model { get; }

        public ParameterSpace Head { get; }

        public Objective Objective(int e) => Curvature.Objectives.Objective.Supervised(Model, new CrossEntropy(), [new Batch(_inputs[e], _targets[e])], Head);

        public Tensor Loss(int e) => new CrossEntropy().Value(Model.call(_inputs[e]), _targets[e]);

        public Tensor[] Losses() => [Loss(0), Loss(1), Loss(2)];

        public Tensor Penalty(AlignmentKind kind, double alpha, double beta) => new HessianAlignment(Head, kind) { Alpha = alpha, Beta = beta, Probes = 2 }.Penalty(Losses());

        public (Tensor Gradient, Tensor Hessian) Dense(int e)
        {
            using HessianOperator hessian = new(Objective(e));
            return (Objective(e).Gradient(), hessian.ToDense());
        }
    }
}
