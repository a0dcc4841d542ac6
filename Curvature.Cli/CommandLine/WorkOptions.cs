using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Curvature.Checkpoints;
using Curvature.Cli.Work;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Cli.CommandLine;

/// <summary>What <c>report</c>, every <c>measure</c>, <c>prune</c>, <c>plan</c> and <c>quantize</c> ask alike: a model, data, a loss, and how to compute.</summary>
/// <param name="kind">What for.</param>
/// <param name="recordings">Whether the model may also be a monitor's recording of a training, which needs neither data nor loss.</param>
/// <param name="checkpoints">Whether the work is made of products, which a checkpoint keeps and an estimate counts.</param>
internal sealed class WorkOptions(WorkKind kind = WorkKind.Measure, bool recordings = false, bool checkpoints = true)
{
    private const string Recording = ".jsonl", Estimate = "--estimate";

    private readonly Argument<string> _model = new("MODEL")
    {
        Description = "TorchScript file (torch.jit.save), or weights (.safetensors, .pth, .dat) with --model-type" + (recordings ? "; or a training that SharpnessMonitor recorded (.jsonl)" : ""),
    };

    private readonly Option<string?> _data = new("--data")
    {
        Required = true,
        HelpName = "DATA",
        Description = "arrays x and y in .npz or .safetensors, an IDX pair IMAGES,LABELS, or .csv[.gz] with --target",
    };

    private readonly Option<string?> _loss = Choices.Word("--loss", "how outputs are compared with targets", KnownLosses.Names);
    private readonly Option<string?> _modelType = Choices.Word(
        "--model-type",
        "TYPE",
        "network of a weights file: a sample's short name, or Assembly.dll!Namespace.Type",
        $"Assembly.dll!Namespace.Type, or one of {string.Join(", ", KnownNetworks.Names)}",
        ModelType());
    private readonly Option<string?> _target = Choices.Text("--target", "COLUMN", "CSV column of the target, by name or index, counted from 0 or from the end [-1, the last]");
    private readonly Option<double?> _scale = Choices.Real("--scale", "S", "multiplies the inputs", "a finite number", _ => true);
    private readonly Option<string?> _matrix = Choices.Word("--matrix", "the curvature matrix [hessian]", KnownOperators.Names);
    private readonly Option<int?> _fisherSamples = Choices.Count("--fisher-samples", "of --matrix fisher: targets drawn for each sample [1]");
    private readonly Option<string?> _parameters = Choices.Text("--parameters", "GLOB", "only parameters whose name fits, e.g. 'fc1.*' [*]");
    private readonly Option<int?> _batchSize = Choices.Count("--batch-size", "samples computed at once [256]; the result does not depend on it");
    private readonly Option<int?> _samples = Choices.Count("--samples", "a seeded subset of the data [all that fits the budget]");
    private readonly Option<double?> _budget = Choices.Real("--budget", "MINUTES", "plan the work to end within this time [10]", "minutes from 0 (exclusive) to 100000", minutes => minutes is > 0 and <= 100_000);
    private readonly Option<string?> _checkpoint = Choices.Text("--checkpoint", "DIR", "keep every product there: the same command goes on from where it was killed, to the same numbers");
    private readonly Option<int?> _estimate = Choices.OptionalCount(Estimate, "RANKS", "only tell what the job takes in time, memory and disk, on this many ranks [those there are]");
    private readonly Option<int?> _seed = Choices.Integer("--seed", "of every random choice [0]");
    private readonly Option<string?> _precision = Choices.Word("--dtype", "compute in this precision [the model's]", "float32", "float64");
    private readonly Option<string?> _device = Choices.Word("--device", "DEVICE", "cpu, cuda, cuda:INDEX or cuda:local (one for each rank on a machine; so is cuda under mpirun) [cpu]", ComputeDevice.Expected, ComputeDevice.Names);
    private readonly Option<bool> _tf32 = new("--tf32") { Description = "let float32 products on a GPU round their factors to 10 bits" };
    private readonly Option<int?> _threads = Choices.Count("--threads", "CPU threads [OMP_NUM_THREADS, or all cores; of several ranks on a machine each its share]", most: Team.MostThreads);
    private readonly Option<int?> _rankTimeout = Choices.Count("--rank-timeout", "seconds that a rank waits for another before all are ended [600]", most: 1_000_000);
    private readonly Option<bool> _trainMode = new("--train-mode") { Description = "leave dropout and batch norm in training mode" };
    private readonly Option<double?> _l2 = Choices.Real("--l2", "LAMBDA", "adds LAMBDA/2 |theta|^2 to the loss [0]", "a number of at least 0", lambda => lambda >= 0);
    private readonly Option<int?> _ignoreIndex = Choices.Integer("--ignore-index", "cross-entropy: targets with this label do not count");
    private readonly Option<double?> _smoothing = Choices.Real("--label-smoothing", "S", "cross-entropy: share of the target spread over all classes [0]", "a number in [0, 1)", s => s is >= 0 and < 1);
    private readonly Option<double[]?> _classWeights = Choices.Reals("--class-weights", "cross-entropy: one weight a class");

    /// <summary>Adds the argument and all options to <paramref name="command"/>.</summary>
    public void AddTo(Command command)
    {
        _loss.Required = !recordings && kind is (WorkKind.Measure or WorkKind.Prune);
        _data.Required = !recordings && kind != WorkKind.Plan;
        _samples.Description = kind switch
        {
            WorkKind.Plan => "a seeded subset of the data for sensitivities; plans are measured on all of it [1024]",
            WorkKind.Prune or WorkKind.Quantize => "a seeded subset of the data [all]",
            _ => _samples.Description,
        };
        _model.Arity = kind == WorkKind.Plan ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne;
        command.Add(_model);
        foreach (Option option in Offered)
        {
            command.Add(option);
        }
    }

    private IEnumerable<Option> Offered
    {
        get
        {
            Option[] all =
            [
                _data, _loss, _modelType, _target, _scale, _matrix, _fisherSamples, _parameters, _batchSize, _samples, _budget, _checkpoint, _estimate, _seed, _precision, _device, _tf32, _threads, _rankTimeout, _trainMode,
                _l2, _ignoreIndex, _smoothing, _classWeights,
            ];
            Option[] kept = kind switch
            {
                WorkKind.Measure => checkpoints ? [] : [_checkpoint, _estimate],
                WorkKind.Prune => [_matrix, _fisherSamples, _budget, _checkpoint, _estimate],
                _ => [_matrix, _fisherSamples, _budget, _checkpoint, _estimate, _parameters, _trainMode, _l2],
            };
            return all.Except(kept);
        }
    }

    /// <summary>Adds an error unless there is a model with what belongs to it, or what stands in its place with nothing of a model.</summary>
    /// <param name="instead">The option that stands in the place of a model.</param>
    /// <param name="ofModels">More options that belong to a model.</param>
    /// <param name="result">The command line.</param>
    public void RequireModelOr(Option instead, IEnumerable<Option> ofModels, CommandResult result)
    {
        bool model = result.GetResult(_model) is { Tokens.Count: > 0 };
        bool other = Choices.Given(result, instead) is not null;
        if (model == other)
        {
            result.AddError(model ? $"{instead.Name} stands in the place of a MODEL: name one of them." : $"Expected a MODEL, or {instead.Name}.");
        }
        else if (model && ((Option[])[_data, _loss]).FirstOrDefault(option => Choices.Given(result, option) is null) is { } missing)
        {
            result.AddError($"Option '{missing.Name}' is required.");
        }
        else if (other && Offered.Where(option => option != _seed).Concat(ofModels).FirstOrDefault(option => Choices.Given(result, option) is not null) is { } stray)
        {
            result.AddError($"{stray.Name} belongs to a MODEL; with {instead.Name} there is none.");
        }
    }

    /// <summary>The recording that is named in the place of a model; null for a model.</summary>
    public string? RecordingOf(ParseResult parse) => recordings && parse.GetRequiredValue(_model) is { } model && IsRecording(model) ? model : null;

    /// <summary>Whether a recording is named in the place of a model.</summary>
    public bool NamesRecording(CommandResult result) => result.GetResult(_model) is { Tokens: [var model, ..] } && IsRecording(model.Value);

    /// <summary>Adds an error where options do not go together.</summary>
    public void Validate(CommandResult result)
    {
        if (recordings && result.GetResult(_model) is { Tokens: [var model, ..] })
        {
            ValidateRecording(result, model.Value);
        }

        if (Choices.Given(result, _fisherSamples) is { } samples && Choices.Given(result, _matrix) != "fisher")
        {
            result.AddError($"--fisher-samples {samples}: only the matrix fisher is made of draws; add --matrix fisher.");
        }
    }

    /// <summary>Adds an error where another matrix is named than the Hessian, which <paramref name="what"/> is about.</summary>
    public void RequireHessian(CommandResult result, string what)
    {
        if (Choices.Given(result, _matrix) is { } matrix and not "hessian")
        {
            result.AddError($"--matrix {matrix}: {what} is about the Hessian; leave --matrix out.");
        }
    }

    /// <summary>The command line again, as a shell would need it.</summary>
    public static string Line(ParseResult parse) => $"curvature {string.Join(' ', parse.Tokens.Select(token => Quoted(token.Value)))}";

    /// <summary>The values on a parsed command line.</summary>
    public WorkRequest Read(ParseResult parse) => new()
    {
        CommandLine = Line(parse),
        Checkpoint = parse.GetValue(_checkpoint),
        EstimateFor = parse.GetResult(_estimate) is { Implicit: false } ? parse.GetValue(_estimate) ?? Team.Count : null,
        Given = Given(parse),
        Model = parse.GetValue(_model) ?? "",
        Data = parse.GetValue(_data) ?? "",
        Loss = parse.GetValue(_loss) ?? "",
        ModelType = parse.GetValue(_modelType),
        Target = parse.GetValue(_target),
        Scale = parse.GetValue(_scale) ?? 1,
        Matrix = parse.GetValue(_matrix) ?? "hessian",
        FisherSamples = parse.GetValue(_fisherSamples) ?? 1,
        Parameters = parse.GetValue(_parameters) ?? "*",
        BatchSize = parse.GetValue(_batchSize) ?? 256,
        Samples = parse.GetValue(_samples),
        Budget = TimeSpan.FromMinutes(parse.GetValue(_budget) ?? 10),
        Seed = parse.GetValue(_seed) ?? 0,
        Precision = parse.GetValue(_precision),
        Device = parse.GetValue(_device) ?? "cpu",
        TF32 = parse.GetValue(_tf32),
        Threads = parse.GetValue(_threads) ?? Team.Threads,
        RankTimeout = TimeSpan.FromSeconds(parse.GetValue(_rankTimeout) ?? 600),
        TrainMode = parse.GetValue(_trainMode),
        L2 = parse.GetValue(_l2) ?? 0,
        IgnoreIndex = parse.GetValue(_ignoreIndex),
        LabelSmoothing = parse.GetValue(_smoothing) ?? 0,
        ClassWeights = parse.GetResult(_classWeights) is null ? null : parse.GetValue(_classWeights), // an absent list reads as an empty one
    };

    /// <summary>The options on a parsed command line that decide the numbers, without those that a job knows better: files by their hashes, threads, budget and samples by what they come to.</summary>
    private List<KeyValuePair<string, string>> Given(ParseResult parse)
    {
        string[] otherwise = [_data.Name, _checkpoint.Name, _budget.Name, _samples.Name, _threads.Name, _rankTimeout.Name, _device.Name, "--json", "--out", "--figure-format"];
        return
        [
            new("command", parse.CommandResult.Parent is CommandResult { Command.Name: "measure" } ? $"measure {parse.CommandResult.Command.Name}" : parse.CommandResult.Command.Name),
            .. parse.CommandResult.Children.OfType<OptionResult>()
                .Where(option => !option.Implicit && !otherwise.Contains(option.Option.Name))
                .OrderBy(option => option.Option.Name, StringComparer.Ordinal)
                .Select(option => KeyValuePair.Create(option.Option.Name, option.Tokens.Count == 0 ? "given" : string.Join(' ', option.Tokens.Select(token => token.Value)))),
        ];
    }

    /// <summary>Whether a job is only to be told of.</summary>
    public static bool IsEstimate(ParseResult parse) => parse.CommandResult.Children.OfType<OptionResult>().Any(option => option is { Implicit: false, Option.Name: Estimate });

    /// <summary>Whether a file is a monitor's, by its name.</summary>
    public static bool IsRecording(string model) => model.EndsWith(Recording, StringComparison.OrdinalIgnoreCase);

    /// <summary>A model needs data and a loss; a recording takes nothing of the kind.</summary>
    private void ValidateRecording(CommandResult result, string model)
    {
        if (!IsRecording(model))
        {
            foreach (Option option in ((Option[])[_data, _loss]).Where(option => Choices.Given(result, option) is null))
            {
                result.AddError($"Option '{option.Name}' is required.");
            }
        }
        else if (result.Children.OfType<OptionResult>().FirstOrDefault(given => !given.Implicit && given.Option.Name != "--out") is { } stranger)
        {
            result.AddError($"{model} {stranger.Option.Name}: a recording of a training takes no option but --out.");
        }
    }

    /// <summary>A type in an assembly, or a short name.</summary>
    private static Regex ModelType() => new($"!|^({string.Join('|', KnownNetworks.Names.Select(Regex.Escape))})$", RegexOptions.CultureInvariant);

    /// <summary>A word as a shell would need it.</summary>
    private static string Quoted(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_./,:=+@%".Contains(c)) ? word : $"'{word.Replace("'", "'\\''")}'";
}
