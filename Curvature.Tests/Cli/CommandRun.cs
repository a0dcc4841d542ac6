using System.Text.Json;
using Curvature.Cli;

namespace Curvature.Tests.Cli;

/// <summary>One <c>curvature</c> command run in this process.</summary>
internal sealed record CommandRun(int ExitCode, string Output, string Error)
{
    /// <summary>The digits checkpoint with its data; the caller adds what it wants of it.</summary>
    public static string[] Digits { get; } =
    [
        Repository.File("data/digits-mlp.safetensors"), "--model-type", "digits-mlp", "--data", Repository.File("data/digits.csv.gz"),
        "--target", "-1", "--scale", "0.0625", "--loss", "cross-entropy",
    ];

    /// <summary>The last line on standard error: what a failed command says.</summary>
    public string Message => Error.TrimEnd('\n').Split('\n')[^1];

    public static CommandRun Of(params string[] args) => Of(CancellationToken.None, args);

    public static CommandRun Of(CancellationToken cancellation, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = CurvatureCommand.Run(args, output, error, cancellation);
        return new CommandRun(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>The printed JSON object.</summary>
    public JsonElement Json() => JsonDocument.Parse(Output).RootElement;
}
