using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary>Which optimizer's stability is asked about, and at which batch sizes the law of mini-batch Hessians.</summary>
/// <param name="alone">Whether stability is all that is asked for: it is then measured even where no option is given.</param>
internal sealed class StabilityOptions(bool alone)
{
    private static readonly BatchSizeStudy Usual = new();

    private readonly Option<string?> _optimizer = Choices.Word("--optimizer", "how the network is trained: where its learning rate stands against the largest stable one [sgd]", KnownUpdateRules.Names);
    private readonly Option<double?> _rate = Choices.Real("--lr", "ETA", "the learning rate", "a number above 0", rate => rate > 0);
    private readonly Option<double?> _momentum = Choices.Real("--momentum", "BETA", "momentum, or beta_1 of adam [0 for sgd and rmsprop, 0.9 else]", "a number in [0, 1)", beta => beta is >= 0 and < 1);
    private readonly Option<int?> _batch = Choices.Count("--batch", "samples in a mini-batch of the training [all: no noise]");
    private readonly Option<int[]?> _sizes = Choices.Counts("--batch-sizes", $"also eigenvalues of mini-batch Hessians of these sizes beside their law, e.g. {string.Join(',', Usual.Sizes)}");

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_optimizer, _rate, _momentum, _batch, _sizes])
        {
            command.Add(option);
        }

        command.Validators.Add(Validate);
    }

    /// <summary>The optimizer asked about; null for none.</summary>
    public StabilityStudy? Stability(ParseResult parse, int seed)
    {
        (string? rule, double? rate, double? momentum, int? batch) = (parse.GetValue(_optimizer), parse.GetValue(_rate), parse.GetValue(_momentum), parse.GetValue(_batch));
        return alone || rule is not null || rate is not null || momentum is not null || batch is not null
            ? new StabilityStudy(OptimizerSetting.Of(rule ?? "sgd", rate, momentum, batch)) { Seed = seed }
            : null;
    }

    /// <summary>The batch sizes asked for; null for none.</summary>
    public BatchSizeStudy? BatchSizes(ParseResult parse, int seed) =>
        parse.GetResult(_sizes) is not null && parse.GetValue(_sizes) is { Length: > 0 } sizes ? new BatchSizeStudy { Sizes = sizes, Seed = seed } : null;

    /// <summary>Rates, rules and batches are about the Hessian.</summary>
    private void Validate(CommandResult result)
    {
        Option? asked = ((Option[])[_optimizer, _rate, _momentum, _batch, _sizes]).FirstOrDefault(option => Choices.Given(result, option) is not null);
        if ((alone || asked is not null) && result.GetResult("--matrix") is OptionResult { Implicit: false, Tokens: [{ Value: not "hessian" } matrix, ..] })
        {
            result.AddError($"--matrix {matrix.Value}: {(asked is null ? "stability" : asked.Name)} is about the Hessian; leave --matrix out.");
        }
    }
}
