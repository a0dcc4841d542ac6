using System.Diagnostics;
using Curvature.Operators;

namespace Curvature.Cli.Output;

/// <summary>Progress as lines, at most one in <see cref="Interval"/>.</summary>
internal sealed class PlainProgress(Action<string> say) : IProgress<ProductProgress>
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private TimeSpan _said;

    public void Report(ProductProgress value)
    {
        if (_clock.Elapsed - _said >= Interval)
        {
            _said = _clock.Elapsed;
            say($"{value.Stage}: {value.Done} of {value.Total} products after {Format.Duration(_said)}");
        }
    }
}
