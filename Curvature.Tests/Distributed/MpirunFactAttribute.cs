using Xunit;

namespace Curvature.Tests.Distributed;

/// <summary>A test that starts ranks by Open MPI's mpirun; skipped where there is none.</summary>
internal sealed class MpirunFactAttribute : FactAttribute
{
    public MpirunFactAttribute() => Skip = Mpirun.Executable is null ? "no mpirun on the path (Debian's packages are openmpi-bin and libopenmpi3)" : null!;
}
