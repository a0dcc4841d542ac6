using Xunit;

namespace Curvature.Tests.Core.Data;

/// <summary>A test on Debian's package dataset-fashion-mnist; skipped, with the reason, where it is not installed.</summary>
public sealed class FashionMnistFactAttribute : FactAttribute
{
    private const string Folder = "/usr/share/datasets/fashion-mnist/";

    public FashionMnistFactAttribute() =>
        Skip = File.Exists(Folder + "train-images-idx3-ubyte.gz") ? null : "needs Debian's package dataset-fashion-mnist";

    /// <summary>The training images and labels.</summary>
    public static string Pair => Folder + "train-images-idx3-ubyte.gz," + Folder + "train-labels-idx1-ubyte.gz";
}
