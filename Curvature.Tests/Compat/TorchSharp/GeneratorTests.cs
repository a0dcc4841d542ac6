using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Random numbers: seeds and states.</summary>
public sealed class GeneratorTests
{
    [Fact]
    public void The_same_seed_gives_the_same_numbers_from_the_global_and_an_own_generator()
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        var global = randn(20);
        using var own = new Generator(7);
        Assert.True(global.Equals(randn(20, generator: own)));
        Assert.Equal(7, own.initial_seed());
        Assert.False(global.Equals(randn(20, generator: own)));
        own.manual_seed(7);
        Assert.True(global.Equals(empty(20).normal_(generator: own)));
    }

    [Fact]
    public void An_own_generator_leaves_the_global_one_alone()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        var before = random.get_rng_state();
        using var own = new Generator(5);
        rand(10, generator: own);
        randperm(10, generator: own);
        Assert.True(before.Equals(random.get_rng_state()));
    }

    [Fact]
    public void A_state_that_is_put_back_repeats_the_draws()
    {
        using var scope = NewDisposeScope();
        var state = random.get_rng_state();
        var first = rand(5);
        random.set_rng_state(state);
        Assert.True(first.Equals(rand(5)));

        using var own = new Generator(5);
        var ownState = own.get_state();
        var draws = randint(100, new long[] { 50 }, generator: own);
        own.set_state(ownState);
        Assert.True(draws.Equals(randint(100, new long[] { 50 }, generator: own)));
    }
}
