using Curvature.Operators;
using Spectre.Console;

namespace Curvature.Cli.Output;

/// <summary>Progress as one bar a stage on a terminal.</summary>
internal sealed class BarProgress(ProgressContext context) : IProgress<ProductProgress>
{
    private readonly Dictionary<string, ProgressTask> _bars = [];

    public void Report(ProductProgress value)
    {
        if (!_bars.TryGetValue(value.Stage, out ProgressTask? bar))
        {
            _bars[value.Stage] = bar = context.AddTask(value.Stage.EscapeMarkup());
        }

        bar.MaxValue = Math.Max(1, value.Total);
        bar.Value = value.Done;
    }
}
