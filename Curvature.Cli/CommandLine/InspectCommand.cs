using System.CommandLine;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Data;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature inspect FILE...</c>: what is in a checkpoint or data file.</summary>
internal static class InspectCommand
{
    private static readonly string[] DataEndings = [".npz", ".npy", ".csv", ".txt", ".safetensors"];

    public static Command Create(Terminal terminal)
    {
        var files = new Argument<string[]>("FILE") { Description = "checkpoints or data files", Arity = ArgumentArity.OneOrMore };
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var command = new Command("inspect", "what is in a checkpoint or data file: names, types, shapes") { files, json };
        command.SetAction(parse =>
        {
            var contents = new List<FileContents>();
            int exitCode = CurvatureCommand.Success;
            foreach (string file in parse.GetRequiredValue(files))
            {
                try
                {
                    contents.Add(Describe(file));
                }
                catch (CurvatureException error) // the others are shown all the same
                {
                    terminal.Fail(error.Message);
                    exitCode = CurvatureCommand.Failed;
                }
            }

            if (contents.Count > 0 && parse.GetValue(json))
            {
                terminal.Output.Write(Json(contents));
            }
            else
            {
                contents.ForEach(file => Print(terminal, file));
            }

            return exitCode;
        });
        return command;
    }

    /// <summary>A name that says data is read as data, any other as a checkpoint: TorchScript files have many endings, or none.</summary>
    private static FileContents Describe(string path)
    {
        string name = Path.GetFileName(path).ToLowerInvariant();
        name = name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name;
        bool isData = DataEndings.Contains(Path.GetExtension(name)) || name.Contains("idx", StringComparison.Ordinal);
        return isData ? DataFile.Describe(path) : Checkpoint.Describe(path);
    }

    private static string Json(IEnumerable<FileContents> files) => new JsonReport(new EnvironmentReport().Entries)
        .Add("files", files.Select(file => new Dictionary<string, object?>
        {
            ["path"] = file.Path,
            ["format"] = file.Format,
            ["sha256"] = file.Sha256,
            ["remarks"] = file.Remarks,
            ["arrays"] = file.Entries.Select(entry => new Dictionary<string, object?>
            {
                ["name"] = entry.Name,
                ["dtype"] = entry.DType,
                ["shape"] = entry.Shape,
                ["bytes"] = entry.Bytes,
            }),
        }))
        .Write([]);

    private static void Print(Terminal terminal, FileContents file)
    {
        terminal.Print($"{file.Path}: {file.Format}, sha256 {file.Sha256}");
        foreach (string remark in file.Remarks)
        {
            terminal.Print(remark);
        }

        terminal.Print(
            ["name", "type", "shape", "numbers", "bytes"],
            file.Entries.Select(entry => (string[])
            [
                entry.Name,
                entry.DType,
                $"[{string.Join(", ", entry.Shape)}]",
                Format.Count(entry.Shape.Aggregate(1L, (product, size) => product * size)),
                Format.Count(entry.Bytes),
            ]));
        terminal.Print($"{Format.Count(file.Entries.Count, "array")}, {Format.Count(file.Entries.Sum(entry => entry.Bytes), "byte")}");
        terminal.Print();
    }
}
