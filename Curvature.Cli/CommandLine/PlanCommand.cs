using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Quant.Planning;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature plan</c>: bits for every layer, so that the network loses least within limits.</summary>
internal static class PlanCommand
{
    public static Command Create(Terminal terminal)
    {
        var table = new Option<string>("--table") { Required = true, HelpName = "FILE", Description = "layers with sizes, costs and sensitivities, as JSON (docs/guide/quantization.md)" };
        var limits = new Option<Limit[]>("--limit")
        {
            Required = true,
            Arity = ArgumentArity.OneOrMore,
            HelpName = "LIMIT",
            Description = "size=7.5MB, size=40% (of float32), size=interp:0.5, the same for bops and latency, avg-bits=4; may be repeated",
            CustomParser = result => [.. Each(result, "--limit", Limit.Parse)],
        };
        var fix = new Option<KeyValuePair<string, int>[]>("--fix")
        {
            HelpName = "LAYER=BITS",
            Description = "a layer that gets these bits whatever the limits say; may be repeated",
            CustomParser = result => [.. Each(result, "--fix", Fixed)],
        };
        var bits = new Option<int[]?>("--bits")
        {
            HelpName = "B,B,...",
            Description = "widths to choose from [the table's]",
            CustomParser = result => Each(result, "--bits", Widths).FirstOrDefault(),
        };
        Option<string?> search = Choices.Word("--search", "how to look for the plan [exact]", KnownPlanners.Names);
        Option<int?> draws = Choices.Count("--draws", "plans from sensitivities drawn within their standard errors, where the table has them [200]", most: 100_000);
        Option<int?> seed = Choices.Integer("--seed", "of the draws [0]");
        Option<string?> file = Choices.Text("--out", "FILE.json|DIR", "write plan.json");
        var json = new Option<bool>("--json") { Description = "print plan.json" };
        var command = new Command("plan", "bits for every layer, so that the network loses least within limits on size, bit operations and latency");
        foreach (Option option in (Option[])[table, limits, fix, bits, search, draws, seed, file, json])
        {
            command.Add(option);
        }

        command.SetAction(parse =>
        {
            PlanReport report = PlanRun.Run(
                new PlanRequest
                {
                    Table = parse.GetValue(table)!,
                    Limits = parse.GetValue(limits)!,
                    Fixed = parse.GetResult(fix) is null ? [] : parse.GetValue(fix)!,
                    Bits = parse.GetResult(bits) is null ? null : parse.GetValue(bits),
                    Search = parse.GetValue(search) ?? "exact",
                    Draws = parse.GetValue(draws) ?? 200,
                    Seed = parse.GetValue(seed) ?? 0,
                    Out = parse.GetValue(file),
                },
                terminal);
            string text = PlanJson.Write(report);
            if (report.Request.File is { } path)
            {
                AtomicFile.WriteText(path, text);
            }

            if (parse.GetValue(json))
            {
                terminal.Output.Write(text);
            }
            else
            {
                PlanText.Print(terminal, report);
            }

            return CurvatureCommand.Success;
        });
        return command;
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

    private static KeyValuePair<string, int> Fixed(string text)
    {
        int at = text.LastIndexOf('=');
        return at > 0 && Width(text[(at + 1)..]) is { } bits ? new(text[..at], bits) : throw new CurvatureException("expected LAYER=BITS, such as conv1=8.");
    }

    private static int[] Widths(string text)
    {
        int?[] widths = [.. text.Split(',').Select(Width)];
        return widths.All(width => width is not null) && widths.Distinct().Count() == widths.Length
            ? [.. widths.Select(width => width!.Value)]
            : throw new CurvatureException("expected different widths from 1 to 32, separated by commas.");
    }

    private static int? Width(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bits) && bits is >= 1 and <= 32 ? bits : null;
}
