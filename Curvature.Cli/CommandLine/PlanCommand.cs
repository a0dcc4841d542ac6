using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature plan</c>: bits for every layer of a model or of a table, so that the network loses least within limits.</summary>
internal static class PlanCommand
{
    private const string Table = "--table";

    /// <summary>Whether a command line plans from a table, which has no data to go over.</summary>
    public static bool IsOfTable(ParseResult parse) => parse.CommandResult.Children.OfType<OptionResult>().Any(option => !option.Implicit && option.Option.Name == Table);

    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions(WorkKind.Plan);
        Option<string?> table = Choices.Text(Table, "FILE", "in place of a model: layers with sizes, costs and sensitivities, as JSON (docs/guide/quantization.md)");
        Option<string?> sensitivity = Choices.Word("--sensitivity", "what quantizing a layer is held to cost [hessian]", KnownSensitivities.Names);
        Option<int?> probes = Choices.Count("--probes", "products for estimated traces [64]");
        Option<string?> test = Choices.Text("--test", "DATA", "also measure plans on these samples, which planning does not see; with --accuracy they check the plan, and so choose with DATA");
        Option<string?> layers = Choices.Text("--layers", "FILE", "multiply-accumulates, latencies, groups and fixed bits of the model's layers, in the form of a table");
        var limits = new Option<Limit[]>("--limit")
        {
            Arity = ArgumentArity.OneOrMore,
            HelpName = "LIMIT",
            Description = "size=7.5MB, size=40% (of float32), size=interp:0.5, the same for bops (bops=72G) and latency (latency=2.5ms), avg-bits=4, compression=1.5 (NNCF's ratio); may be repeated",
            CustomParser = result => [.. Each(result, "--limit", Limit.Parse)],
        };
        Option<double?> accuracy = Choices.Percent("--accuracy", "in place of limits: as few bits as keep this much of the measured accuracy in floating point, by bisection");
        var activations = new Option<int[]?>("--activations")
        {
            Arity = ArgumentArity.ExactlyOne,
            HelpName = "B[,B...]",
            Description = "bits of layers' inputs, 2 to 8, when plans are measured and for bit operations; of several each layer gets one within --activation-limit, by HAWQ-V2's sensitivity of activations (C# models) [floating point; the weight's]",
            CustomParser = result => Each(result, "--activations", InputWidths).FirstOrDefault(),
        };
        var activationLimits = new Option<Limit[]>("--activation-limit")
        {
            Arity = ArgumentArity.OneOrMore,
            HelpName = "LIMIT",
            Description = "avg-bits=4 or size=..., of all inputs of one sample, where --activations has several widths; may be repeated",
            CustomParser = result => [.. Each(result, "--activation-limit", SizeLimit)],
        };
        var unverified = new Option<bool>("--unverified") { Description = "keep the sensitivities' plan even where one width throughout, or another plan within the limits, has a measurably lower loss on DATA" };
        var fix = new Option<KeyValuePair<string, int>[]>("--fix")
        {
            HelpName = "LAYER=BITS",
            Description = "a layer that gets these bits whatever the limits say; may be repeated",
            CustomParser = result => [.. Each(result, "--fix", Fixed)],
        };
        var group = new Option<KeyValuePair<string, string[]>[]>("--group")
        {
            HelpName = "NAME=LAYER,LAYER,...",
            Description = "layers that share their bits, such as what a residual connection adds; may be repeated",
            CustomParser = result => [.. Each(result, "--group", Group)],
        };
        var bits = new Option<int[]?>("--bits")
        {
            Arity = ArgumentArity.ExactlyOne,
            HelpName = "B,B,...",
            Description = "widths to choose from [the table's; of a model 2,4,8]",
            CustomParser = result => Each(result, "--bits", Widths).FirstOrDefault(),
        };
        Option<string?> search = Choices.Word("--search", "how to look for the plan [exact]; pairwise: with the terms between layers, of --sensitivity quadratic; frontier: with --accuracy, the smallest plan of the Pareto frontier that keeps it (with groups always)", [.. KnownPlanners.Names, NetworkPlanRun.Pairwise, AccuracySearch.Frontier]);
        Option<int?> draws = Choices.Count("--draws", "plans from sensitivities drawn within their standard errors, where there are any [200]; not with --accuracy or --search pairwise", most: 100_000);
        Option<string?> file = Choices.Text("--out", "DIR|FILE.json", "write plan.json; in a folder also plan.html and the figures");
        Option<string?> format = FigureFormatOption.Create();
        var json = new Option<bool>("--json") { Description = "print plan.json" };
        var command = new Command("plan", "bits for every layer, so that the network loses least within limits on size, bit operations and latency");
        work.AddTo(command);
        Option[] ofModels = [sensitivity, probes, test, layers, accuracy, activations, activationLimits, unverified];
        foreach (Option option in (Option[])[table, limits, .. ofModels, fix, group, bits, search, draws, file, format, json])
        {
            command.Add(option);
        }

        command.Validators.Add(result => work.RequireModelOr(table, ofModels, result));
        command.Validators.Add(result =>
        {
            if (Choices.Given(result, search) == NetworkPlanRun.Pairwise && Choices.Given(result, sensitivity) != "quadratic")
            {
                result.AddError("--search pairwise needs the terms between layers of a MODEL; add --sensitivity quadratic.");
            }

            string? unsearched = Choices.Given(result, accuracy) is not null ? accuracy.Name : Choices.Given(result, search) == NetworkPlanRun.Pairwise ? $"{search.Name} {NetworkPlanRun.Pairwise}" : null;
            if (unsearched is not null && Choices.Given(result, draws) is not null)
            {
                result.AddError($"--draws: {unsearched} makes one plan and draws none; leave --draws out.");
            }

            bool kept = Choices.Given(result, accuracy) is not null;
            if (Choices.Given(result, search) is { } other && (other == AccuracySearch.Frontier) != kept)
            {
                result.AddError(kept ? $"--search {other}: --accuracy finds its plan by bisection; leave --search out, name {AccuracySearch.Frontier}, or plan within a --limit." : $"--search {other}: it finds how small a plan can be that keeps an --accuracy; within a --limit the plan is found by another search.");
            }

            if (Choices.Given(result, accuracy) is not null && Choices.Given(result, unverified) is not null)
            {
                result.AddError("--unverified: the plan of --accuracy is made of measured accuracies; leave --unverified out.");
            }

            if (Choices.Given(result, activations) is { } widths && widths.Contains(',', StringComparison.Ordinal) != (Choices.Given(result, activationLimits) is not null))
            {
                result.AddError(widths.Contains(',', StringComparison.Ordinal) ? "--activations: several widths are chosen from within a limit; add --activation-limit, such as avg-bits=4." : "--activation-limit: --activations has one width, so that there is nothing to choose; name several.");
            }
            else if (Choices.Given(result, activations) is null && Choices.Given(result, activationLimits) is not null)
            {
                result.AddError("--activation-limit chooses among the widths of --activations; name them, such as --activations 4,8.");
            }

            CheckBits(result, bits, ofModel: Choices.Given(result, table) is null);
            CheckFixed(result, fix, ofModel: Choices.Given(result, table) is null);
            bool limited = Choices.Given(result, limits) is not null;
            if (limited == Choices.Given(result, accuracy) is not null)
            {
                result.AddError(limited ? "--accuracy stands in the place of --limit: name one of them." : "Option '--limit' is required.");
            }
        });
        command.Validators.Add(result => FigureFormatOption.RequireFolder(result, format, file));
        command.SetAction(parse =>
        {
            FigureFormat figures = FigureFormatOption.Read(parse, format);
            WorkRequest request = work.Read(parse);
            PlanReport report = PlanRun.Run(
                new PlanRequest
                {
                    Table = parse.GetValue(table),
                    Network = parse.GetValue(table) is not null ? null : new NetworkPlanRequest
                    {
                        Work = request,
                        Sensitivity = parse.GetValue(sensitivity) ?? "hessian",
                        Probes = parse.GetValue(probes) ?? 64,
                        Test = parse.GetValue(test),
                        Layers = parse.GetValue(layers),
                        Activations = (parse.GetResult(activations) is null ? null : parse.GetValue(activations)) ?? [],
                        ActivationLimits = parse.GetResult(activationLimits) is null ? [] : parse.GetValue(activationLimits)!,
                        Unverified = parse.GetValue(unverified),
                    },
                    Limits = parse.GetResult(limits) is null ? [] : parse.GetValue(limits)!,
                    Accuracy = parse.GetValue(accuracy) / 100,
                    Fixed = parse.GetResult(fix) is null ? [] : parse.GetValue(fix)!,
                    Groups = parse.GetResult(group) is null ? [] : parse.GetValue(group)!,
                    Bits = parse.GetResult(bits) is null ? null : parse.GetValue(bits),
                    Search = parse.GetValue(search) ?? "exact",
                    Draws = parse.GetValue(draws) ?? 200,
                    Seed = request.Seed,
                    Out = parse.GetValue(file),
                },
                terminal);
            return Write(report, parse.GetValue(file), figures, parse.GetValue(json), terminal);
        });
        return command;
    }

    /// <summary>Writes the files, then prints.</summary>
    private static int Write(PlanReport report, string? place, FigureFormat format, bool json, Terminal terminal)
    {
        if (!Team.Leads)
        {
            return CurvatureCommand.Success;
        }

        report = report with { Findings = PlanJson.Findings(report) };
        string text = PlanJson.Write(report);
        string[] files = [];
        if (place is not null && !place.EndsWith(".json", StringComparison.Ordinal))
        {
            files = [.. PlanWriter.Write(report, text, place, format, terminal.Cancellation)];
        }
        else if (place is not null)
        {
            files = [place];
            AtomicFile.WriteText(place, text);
        }

        if (json)
        {
            terminal.Output.Write(text);
        }
        else
        {
            PlanText.Print(terminal, report, files.FirstOrDefault());
        }

        return CurvatureCommand.Success;
    }

    /// <summary>Adds an error where a model's layers are asked for at widths to which no weights can go.</summary>
    private static void CheckBits(CommandResult result, Option<int[]?> bits, bool ofModel)
    {
        if (ofModel && Choices.Given(result, bits) is { } text && text.Split(',').Select(Width).Any(width => width is < 2 or > 8))
        {
            result.AddError($"{bits.Name} {text}: expected different widths from 2 to 8, separated by commas, for the layers of a MODEL.");
        }
    }

    /// <summary>Adds an error where a layer is fixed twice, or at a width to which no model's weights can go.</summary>
    private static void CheckFixed(CommandResult result, Option<KeyValuePair<string, int>[]> fix, bool ofModel)
    {
        KeyValuePair<string, int>[] layers = [.. (result.GetResult(fix)?.Tokens ?? []).Select(token => Layer(token.Value)).OfType<KeyValuePair<string, int>>()];
        if (layers.GroupBy(layer => layer.Key, StringComparer.Ordinal).FirstOrDefault(same => same.Distinct().Count() > 1) is { } twice)
        {
            result.AddError($"--fix {twice.Key}={twice.Last().Value}: it is fixed at {twice.First().Value} bits already; fix a layer once.");
        }
        else if (ofModel && layers.FirstOrDefault(layer => !PlanDemands.IsWidth(layer.Value)) is { Key: not null } wrong)
        {
            result.AddError($"--fix {wrong.Key}={wrong.Value}: expected 2 to 8 bits, or 32 for floating point, for a layer of a MODEL.");
        }
    }

    private static List<T> Each<T>(ArgumentResult result, string option, Func<string, T> read)
    {
        var values = new List<T>();
        foreach (Token token in result.Tokens)
        {
            try
            {
                values.Add(read(token.Value));
            }
            catch (CurvatureException error)
            {
                result.AddError($"{option} {token.Value}: {error.Message}");
            }
        }

        return values;
    }

    private static KeyValuePair<string, int> Fixed(string text) => Layer(text) ?? throw new CurvatureException("expected LAYER=BITS, such as conv1=8.");

    private static KeyValuePair<string, int>? Layer(string text)
    {
        int at = text.LastIndexOf('=');
        return at > 0 && Width(text[(at + 1)..]) is { } bits ? new(text[..at], bits) : null;
    }

    private static KeyValuePair<string, string[]> Group(string text)
    {
        int at = text.IndexOf('=', StringComparison.Ordinal);
        string[] layers = at > 0 ? text[(at + 1)..].Split(',') : [];
        return layers.Length > 1 && layers.All(layer => layer.Length > 0) && layers.Distinct(StringComparer.Ordinal).Count() == layers.Length
            ? new(text[..at], layers)
            : throw new CurvatureException("expected NAME=LAYER,LAYER,... with two or more different layers.");
    }

    private static int[] Widths(string text)
    {
        int?[] widths = [.. text.Split(',').Select(Width)];
        return widths.All(width => width is not null) && widths.Distinct().Count() == widths.Length
            ? [.. widths.Select(width => width!.Value)]
            : throw new CurvatureException("expected different widths from 1 to 32, separated by commas.");
    }

    private static int[] InputWidths(string text) => Widths(text) is var widths && widths.All(width => width is >= 2 and <= 8)
        ? widths
        : throw new CurvatureException("expected different widths from 2 to 8, separated by commas.");

    private static Limit SizeLimit(string text) => Limit.Parse(text) is { Cost: PlanCost.Size } limit ? limit : throw new CurvatureException("expected avg-bits=4, size=40%, size=interp:0.5 or a size in bytes: inputs have no other cost of their own.");

    private static int? Width(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bits) && bits is >= 1 and <= 32 ? bits : null;
}
