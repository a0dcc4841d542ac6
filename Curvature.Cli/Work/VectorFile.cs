using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>Vectors over the parameters for <c>--out</c>: an array a parameter, in its shape, under its name.</summary>
internal static class VectorFile
{
    /// <summary>The kinds of file, by the ending of the name.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".npz", ".safetensors"];

    /// <summary>
    /// <c>eigenvalues [k]</c> and <c>residuals [k]</c> in float64, and <c>eigenvectors.NAME [k, ...]</c> in the model's dtype. The caller disposes them.
    /// </summary>
    public static List<(string Name, Tensor Value)> Of(Eigenpairs pairs, ParameterSpace parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = pairs.Vectors.t().contiguous();
        return Kept(
        [
            ("eigenvalues", tensor(pairs.Values.Select(pair => pair.Value).ToArray())),
            ("residuals", tensor(pairs.Values.Select(pair => pair.Residual).ToArray())),
            .. parameters.Names.Select((name, i) =>
            {
                Tensor part = rows.narrow(1, parameters.Offset(i), parameters.Parameters[i].numel());
                return ($"eigenvectors.{name}", part.reshape([rows.shape[0], .. parameters.Parameters[i].shape]).clone());
            }),
        ]);
    }

    /// <summary><c>diagonal.NAME</c> and <c>standard_errors.NAME</c>, in the parameters' shapes and dtype. The caller disposes them.</summary>
    public static List<(string Name, Tensor Value)> Of(DiagonalEstimate estimate, ParameterSpace parameters)
    {
        using DisposeScope scope = NewDisposeScope();
        IEnumerable<(string Name, Tensor Value)> Named(string what, Tensor vector) =>
            parameters.Split(vector).Select((part, i) => ($"{what}.{parameters.Names[i]}", part.clone()));
        return Kept([.. Named("diagonal", estimate.Values), .. Named("standard_errors", estimate.StandardErrors)]);
    }

    /// <summary>Writes them; the file appears whole or not at all.</summary>
    /// <param name="path">A name with one of <see cref="Endings"/>.</param>
    /// <param name="arrays">Names and values.</param>
    public static void Write(string path, IReadOnlyList<(string Name, Tensor Value)> arrays)
    {
        if (path.EndsWith(Endings[0], StringComparison.Ordinal))
        {
            NpzFile.Write(path, arrays);
        }
        else
        {
            SafetensorsFile.Write(path, arrays);
        }
    }

    private static List<(string Name, Tensor Value)> Kept(List<(string Name, Tensor Value)> arrays)
    {
        arrays.ForEach(array => array.Value.DetachFromDisposeScope());
        return arrays;
    }
}
