using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.utils.data;

namespace Curvature.Tests.Compat;

/// <summary>Batches: order, seed, last one, and who disposes them.</summary>
public sealed class DataLoaderTests
{
    [Fact]
    public void Batches_come_in_order_and_the_last_is_short()
    {
        using var loader = DataLoader(Numbers(5), 2);

        Assert.Equal(3, loader.Count);
        Assert.Equal(["0 1", "2 3", "4"], loader.Select(Text));
        Assert.Equal(["0 1", "2 3", "4"], loader.Select(Text));
    }

    [Fact]
    public void The_short_batch_can_be_dropped()
    {
        using var loader = DataLoader(Numbers(5), 2, drop_last: true);

        Assert.Equal(2, loader.Count);
        Assert.Equal(["0 1", "2 3"], loader.Select(Text));
    }

    [Fact]
    public void All_tensors_of_a_sample_stay_together()
    {
        using var loader = DataLoader(TensorDataset(arange(4, dtype: float32).reshape(4, 1), arange(4) * 10), 3, shuffle: true);

        Assert.All(loader, batch =>
        {
            Assert.Equal(2, batch.Count);
            Assert.Equal(batch[0].flatten().data<float>().ToArray().Select(x => (long)x * 10), batch[1].data<long>().ToArray());
        });
    }

    [Fact]
    public void A_seed_gives_the_same_permutation_at_every_pass()
    {
        using var loader = DataLoader(Numbers(20), 20, shuffle: true, seed: 3);
        using var again = DataLoader(Numbers(20), 20, shuffle: true, seed: 3);
        using var other = DataLoader(Numbers(20), 20, shuffle: true, seed: 4);

        string order = loader.Select(Text).Single();

        Assert.Equal(Enumerable.Range(0, 20), order.Split(' ').Select(int.Parse).Order());
        Assert.NotEqual(string.Join(' ', Enumerable.Range(0, 20)), order);
        Assert.Equal(order, loader.Select(Text).Single());
        Assert.Equal(order, again.Select(Text).Single());
        Assert.NotEqual(order, other.Select(Text).Single());
    }

    [Fact]
    public void Without_a_seed_passes_differ()
    {
        using var loader = DataLoader(Numbers(20), 20, shuffle: true);

        Assert.NotEqual(loader.Select(Text).Single(), loader.Select(Text).Single());
    }

    [Fact]
    public void A_batch_lives_until_the_next()
    {
        using var loader = DataLoader(Numbers(4), 2);
        var seen = new List<Tensor>();

        foreach (var batch in loader)
        {
            Assert.All(seen, t => Assert.True(t.IsInvalid));
            Assert.False(batch[0].IsInvalid);
            seen.Add(batch[0]);
        }

        Assert.All(seen, t => Assert.True(t.IsInvalid));
    }

    [Fact]
    public void A_batch_can_be_kept()
    {
        using var loader = DataLoader(Numbers(4), 2, disposeBatch: false);

        Assert.All(loader.ToList(), batch => Assert.False(batch[0].IsInvalid));
    }

    [Fact]
    public void What_the_caller_makes_belongs_to_the_callers_scope()
    {
        using var loader = DataLoader(Numbers(4), 2);
        using var scope = NewDisposeScope();
        var sums = new List<Tensor>();

        foreach (var batch in loader)
        {
            sums.Add(batch[0].sum());
        }

        Assert.Equal([1, 5], sums.Select(s => s.item<long>()));
        Assert.Equal(2, scope.DisposablesCount);
    }

    [Fact]
    public void Named_samples_make_named_batches()
    {
        using var loader = DataLoader(new Squares(), 2);

        var texts = loader.Select(batch => $"{Text([batch["x"]])} -> {Text([batch["y"]])}").ToList();

        Assert.Equal(["0 1 -> 0 1", "2 -> 4"], texts);
    }

    [Fact]
    public void A_loader_leaves_the_callers_tensors_alive()
    {
        var x = arange(3);

        DataLoader(TensorDataset(x), 1).Dispose();

        Assert.False(x.IsInvalid);
    }

    private static TorchSharp.Modules.TensorDataset Numbers(long count) => TensorDataset(arange(count));

    private static string Text(IList<Tensor> batch) => string.Join(' ', batch[0].data<long>().ToArray());

    private sealed class Squares : Dataset
    {
        public override long Count => 3;

        public override Dictionary<string, Tensor> GetTensor(long index) => new() { ["x"] = tensor(index), ["y"] = tensor(index * index) };
    }
}
