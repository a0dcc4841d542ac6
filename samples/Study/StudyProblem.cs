using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>A network and its data; the loss is the mean cross-entropy.</summary>
/// <param name="Name">In results and file names.</param>
/// <param name="Title">Heading on the page.</param>
/// <param name="Text">What it is, for the page.</param>
/// <param name="BatchSize">Rows of a step.</param>
/// <param name="Steps">Of a full run.</param>
/// <param name="Read">The data; the caller disposes them.</param>
/// <param name="Create">A network with new weights from the global generator.</param>
internal sealed record StudyProblem(string Name, string Title, string Text, int BatchSize, int Steps, Func<StudyData> Read, Func<nn.Module<Tensor, Tensor>> Create)
{
    /// <summary>Evaluations of the training loss in a run.</summary>
    public const int Evaluations = 25;

    /// <summary>The steps of a short run, whose schedule ends there: 0.7 of a full one's.</summary>
    public int ShortSteps => (int)Math.Round(0.7 * Steps);
}
