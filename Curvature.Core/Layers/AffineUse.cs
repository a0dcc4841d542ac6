using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// A parameter that shifts or scales features: sample n's gradient is <c>sum_t g_nt</c> (a bias) or <c>sum_t g_nt x_nt</c> (the weight of a normalisation, x the
/// normalised input) over its positions t.
/// </summary>
/// <param name="normalised">x, of g's shape; null for a bias.</param>
/// <param name="arrange">Brings g into the shape <c>[N, entries, T]</c>.</param>
/// <param name="samples">N.</param>
/// <param name="entries">Entries of the parameter.</param>
internal sealed class AffineUse(Tensor? normalised, Func<Tensor, Tensor> arrange, long samples, long entries) : ParameterUse(samples, entries)
{
    /// <summary>Features in dimension 1: convolutions, batch norm.</summary>
    public static Func<Tensor, Tensor> ChannelsFirst(long samples, long features) => g => g.reshape(samples, features, -1);

    /// <summary>Features last: linear layers, layer norm.</summary>
    public static Func<Tensor, Tensor> FeaturesLast(long samples, long features) => g => g.reshape(samples, -1, features).transpose(1, 2);

    public override Tensor Gradients(Tensor g, long first, long count)
    {
        Tensor G = normalised is null ? g : g.mul(normalised);
        return arrange(G).narrow(0, first, count).sum(dim: 2);
    }
}
