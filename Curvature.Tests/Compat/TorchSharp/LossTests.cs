using TorchSharp.Modules;
using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;
using Reduction = TorchSharp.torch.nn.Reduction;

namespace Curvature.Tests.Compat;

/// <summary>Losses against PyTorch, with masks, weights and reductions.</summary>
public sealed class LossTests
{
    private static readonly long[] Classes = [1, 3, 0];

    [Fact]
    public void Cross_entropy_reduces_as_it_is_told()
    {
        Same([1.7547425252050877], new CrossEntropyLoss().call(Grid(3, 4), tensor(Classes)));
        Same([5.264227575615263], new CrossEntropyLoss(reduction: Reduction.Sum).call(Grid(3, 4), tensor(Classes)));
        Same([1.2970951565529871, 1.700132693633123, 2.266999725429153],
            F.cross_entropy(Grid(3, 4), tensor(Classes), reduction: Reduction.None));
    }

    [Fact]
    public void Cross_entropy_averages_over_valid_targets_only()
    {
        Same([1.78204744099107], new CrossEntropyLoss().call(Grid(3, 4), tensor(new long[] { 1, -100, 0 })));
        Same([1.78204744099107], new CrossEntropyLoss(ignore_index: 3).call(Grid(3, 4), tensor(Classes)));
    }

    [Fact]
    public void Cross_entropy_takes_class_weights_and_smooths_labels()
    {
        var weight = tensor(new[] { 0.5, 1, 2, 4 });

        Same([1.6783865079636464], new CrossEntropyLoss(weight).call(Grid(3, 4), tensor(Classes)));
        Same([1.7484925252050878], new CrossEntropyLoss(label_smoothing: 0.1).call(Grid(3, 4), tensor(Classes)));
        Same([2.108174397438236], new CrossEntropyLoss(weight, 3, label_smoothing: 0.2).call(Grid(3, 4), tensor(Classes)));
        Same([1.6783865079636464], F.nll_loss(F.log_softmax(Grid(3, 4), 1), tensor(Classes), weight));
    }

    [Fact]
    public void Mean_squared_error_averages_over_all_entries()
    {
        Same([1.875], new MSELoss().call(Grid(2, 3), ones(2, 3, dtype: float64)));
        Same([11.25], nn.MSELoss(Reduction.Sum).call(Grid(2, 3), ones(2, 3, dtype: float64)));
    }

    [Fact]
    public void Binary_cross_entropy_takes_logits()
    {
        var targets = tensor(new double[,] { { 1, 0, 1 }, { 0, 1, 0 } });

        Same([0.9858037595074505], nn.BCEWithLogitsLoss().call(Grid(2, 3), targets));
        Same([16.112824056924733], nn.BCEWithLogitsLoss(
            tensor(new double[] { 1, 2, 3 }), Reduction.Sum, tensor(new double[] { 3, 1, 2 })).call(Grid(2, 3), targets));
    }
}
