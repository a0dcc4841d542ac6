using Curvature.Operators;
using Spectre.Console;

namespace Curvature.Cli.Output;

/// <summary>Progress as one bar a stage on a terminal.</summary>
internal sealed class BarProgress(ProgressContext context) : IProgress<ProductProgress>
{
    private readonly Dictionary<string, ProgressTask> _bars = [];

    /// <summary>What stands in a line: the stage with its products, the bar, the time it took.</summary>
    public static ProgressColumn[] Columns => [new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn()];

    public void Report(ProductProgress value)
    {
        if (!_bars.TryGetValue(value.Stage, out ProgressTask? bar))
        {
            _bars.Values.LastOrDefault()?.StopTask(); // a stage may end before its last product
            _bars[value.Stage] = bar = context.AddTask(value.Stage.EscapeMarkup());
        }

        bar.Description = $"{value.Stage.EscapeMarkup()}, {Format.Count(value.Done)} of {Format.Count(value.Total)} products";
        bar.MaxValue = Math.Max(1, value.Total);
        bar.Value = value.Done;
    }
}
