using System.Globalization;
using Curvature;
using Curvature.Samples;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
Sample? sample = KnownSamples.All.FirstOrDefault(sample => sample.Name == args.FirstOrDefault());
if (sample is null || SampleOptions.Parse(args.AsSpan(1)) is not { } options)
{
    if (args is ["list"])
    {
        Console.WriteLine(string.Join('\n', KnownSamples.All.Select(sample => sample.Name)));
        return 0;
    }

    if (args.Length > 0 && sample is null)
    {
        Console.Error.WriteLine($"There is no sample '{args[0]}'.");
    }

    Console.Error.WriteLine("usage: dotnet run --project samples -c Release -- SAMPLE [--quick] [--out FILE]\n");
    int column = KnownSamples.All.Max(sample => sample.Name.Length) + 2;
    Console.Error.WriteLine(string.Join('\n', KnownSamples.All.Select(sample => $"  {sample.Name.PadRight(column)}{sample.Summary}")));
    return 2;
}

// Ctrl-C ends a sample between two steps of its work; files are written whole at the end or not at all.
using CancellationTokenSource interrupt = new();
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = true;
    interrupt.Cancel();
};
try
{
    sample.Run(options, interrupt.Token);
    return 0;
}
catch (MissingDataException missing) when (options.Quick)
{
    Console.WriteLine($"skipped: {missing.Message}");
    return 0;
}
catch (CurvatureException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Interrupted; what was not finished was not written.");
    return 130;
}
