using Curvature.Data;

namespace Curvature.Samples.Study;

/// <summary>What a problem is trained on, what its training loss is evaluated on, and what it is tested with.</summary>
internal sealed record StudyData(Dataset Train, Dataset Evaluated, Dataset Test) : IDisposable
{
    public void Dispose()
    {
        Train.Dispose();
        Evaluated.Dispose();
        Test.Dispose();
    }
}
