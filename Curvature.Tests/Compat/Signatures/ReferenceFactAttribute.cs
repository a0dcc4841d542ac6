using Xunit;

namespace Curvature.Tests.Compat;

/// <summary>A test against the API dumps beside the repository, which not everyone has: skipped, with the reason, where they are absent.</summary>
public sealed class ReferenceFactAttribute : FactAttribute
{
    public ReferenceFactAttribute()
    {
        if (!Directory.Exists(ReferenceApi.Folder)) Skip = $"the reference API dumps are absent ({ReferenceApi.Folder})";
    }
}
