using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>The images of Fashion-MNIST where Debian's package dataset-fashion-mnist puts them.</summary>
internal static class FashionMnist
{
    private const string Folder = "/usr/share/datasets/fashion-mnist";

    /// <summary>A seeded choice of one of the two parts, <c>train</c> (60,000 images) and <c>t10k</c> (10,000). The caller disposes it.</summary>
    /// <exception cref="MissingDataException">The package is not installed.</exception>
    public static Dataset Read(string part, long count)
    {
        if (!Directory.Exists(Folder))
        {
            throw new MissingDataException($"Fashion-MNIST is not in {Folder}; install it: apt-get install dataset-fashion-mnist.");
        }

        using Dataset whole = DataFile.Read($"{Folder}/{part}-images-idx3-ubyte.gz,{Folder}/{part}-labels-idx1-ubyte.gz", new DataOptions { InputType = ScalarType.Float32 });
        return whole.Sample(count, seed: 1);
    }
}
