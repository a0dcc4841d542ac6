using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>What the base of the optimizers offers to a method: steps along the gradients that are there, and one place for what is remembered about all.</summary>
public sealed class CurvatureOptimizerTests
{
    [Fact]
    public void Gradients_that_are_there_make_the_step_that_the_loss_makes_and_stay()
    {
        using DisposeScope scope = NewDisposeScope();
        Descent closure = Descent.Create("mixed shapes"), left = Descent.Create("mixed shapes");
        using Shared given = new(closure.Parameters), taken = new(left.Parameters);
        for (int t = 0; t < 4; t++)
        {
            given.step(closure.Value);
            taken.zero_grad();
            left.Value().backward();
            Tensor before = left.Parameters[2].grad!.clone();
            Assert.Null(taken.step());
            Assert.True(before.Equals(left.Parameters[2].grad!));
            Assert.True(closure.Theta().Equals(left.Theta()));
        }

        Assert.Equal((4, 4), (taken.Steps, taken.Prepared));
    }

    [Fact]
    public void A_frozen_parameter_stays_whatever_its_gradient_and_without_any_there_is_no_step()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(ones(2, ScalarType.Float64, device: Here)), frozen = new(ones(2, ScalarType.Float64, device: Here), requires_grad: false);
        using Shared optimizer = new([w, frozen]);
        frozen.grad = ones(2, ScalarType.Float64, device: Here);
        Assert.Contains("loss.backward()", Assert.Throws<CurvatureException>(() => optimizer.step()).Message, StringComparison.Ordinal);

        w.grad = full(2, 3.0, ScalarType.Float64, device: Here);
        optimizer.step();
        Assert.Equal((2, 1 - 3.0), (frozen.sum().ToDouble(), w[0].ToDouble()));
    }

    [Fact]
    public void Gradients_that_are_not_finite_are_skipped_before_anything_is_remembered()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(ones(2, ScalarType.Float64, device: Here));
        using Shared optimizer = new([w]);
        w.grad = tensor([1.0, double.NaN], device: Here);
        optimizer.step();
        optimizer.step(() => w.sum().mul(double.PositiveInfinity));
        Assert.Equal((0, 2, 0), (optimizer.Steps, optimizer.SkippedSteps, optimizer.Prepared));
        Assert.Equal(2, w.sum().ToDouble());
    }

    [Fact]
    public void A_part_without_terms_adds_nothing_and_a_batch_without_any_is_skipped()
    {
        using DisposeScope scope = NewDisposeScope();
        CrossEntropy loss = new(new LossOptions { IgnoreIndex = -1 });
        Tensor x = tensor(new[,] { { 1.0, 2, -1 }, { 0.5, -1, 3 } }, device: Here), y = tensor([2L, 0], device: Here), none = tensor([-1L, -1], device: Here);
        Parameter whole = new(ones(3, ScalarType.Float64, device: Here)), parted = new(ones(3, ScalarType.Float64, device: Here));
        using Shared one = new([whole]), several = new([parted]);
        Tensor expected = one.Step(() => x.mul(whole), y, loss), seen = several.Step([(() => x.mul(parted), none), (() => x.mul(parted), y)], loss);
        Assert.Equal(expected.ToDouble(), seen.ToDouble());
        Assert.True(whole.Equals(parted));
        several.Step([(() => x.mul(parted), none), (() => x.mul(parted), none)], loss);
        Assert.Equal((1, 1), (several.Steps, several.SkippedSteps));
    }

    /// <summary>Steps of the gradient over the number of steps, which is remembered for all.</summary>
    private sealed class Shared(IEnumerable<Parameter> parameters) : CurvatureOptimizer<SharedOptions>([new ParamGroup<SharedOptions>(parameters)], null, new SharedOptions { LearningRate = 1 })
    {
        public long Prepared => State(0)["prepared"];

        protected override bool TakesGradients => true;

        protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
        {
            double count = ++State(0)["prepared"];
            return [.. gradient.Select(g => g?.div(count))];
        }

        protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, SharedOptions options) => parameter.add_(D!, -options.LearningRate!.Value);
    }

    private sealed class SharedOptions : CurvatureOptimizerOptions
    {
        protected override double?[] Values
        {
            get => [];
            set { }
        }
    }
}
