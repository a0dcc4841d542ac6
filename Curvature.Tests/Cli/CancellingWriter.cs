namespace Curvature.Tests.Cli;

/// <summary>Cancels when a word is written, as a person would who reads it.</summary>
internal sealed class CancellingWriter(CancellationTokenSource cancellation, string on) : StringWriter
{
    public override void WriteLine(string? value)
    {
        base.WriteLine(value);
        if (value?.Contains(on, StringComparison.Ordinal) == true)
        {
            cancellation.Cancel();
        }
    }
}
