using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// The weight of a linear layer or convolution, as a matrix per group: sample n's gradient is <c>sum_t g_nt a_nt^T</c> over its positions t, a the inputs
/// (for a convolution the patches under the kernel) and g the output's gradients.
/// <para>
/// Its squared norm is <c>sum_tt' (a_t . a_t') (g_t . g_t')</c> (the Gram route), which is the shorter way where there are fewer positions than inputs: the inputs'
/// Gram matrix serves all columns of the loss Hessian's root.
/// </para>
/// </summary>
internal sealed class WeightUse : KroneckerUse
{
    private readonly DenseInputs _a;
    private Tensor? _gram;

    /// <param name="a">Inputs <c>[N, groups, in, T]</c>.</param>
    /// <param name="arrange">Brings g into the shape <c>[N, groups, out, T]</c>.</param>
    /// <param name="entries">Entries of the weight.</param>
    private WeightUse(DenseInputs a, Func<Tensor, Tensor> arrange, long entries) : base(a, arrange, entries) => _a = a;

    private bool IsShort => _a.Positions < _a.Size;

    /// <summary>A linear layer's weight <c>[out, in]</c>; inputs <c>[N, ..., in]</c>, or with samples and positions in one dimension, samples first.</summary>
    public static WeightUse Of(Linear layer, Tensor input, long samples)
    {
        Tensor Arrange(Tensor x) => x.reshape(samples, 1, -1, x.shape[^1]).transpose(2, 3);
        return new WeightUse(new DenseInputs(Arrange(input)), Arrange, layer.weight.numel());
    }

    /// <summary>A convolution's weight <c>[out, in / groups, kernel...]</c>; inputs <c>[N, in, ...]</c>.</summary>
    /// <param name="layer">The convolution.</param>
    /// <param name="input">Its input.</param>
    /// <param name="size">The output's spatial size.</param>
    public static WeightUse Of(Convolution layer, Tensor input, ReadOnlySpan<long> size)
    {
        long n = input.shape[0], groups = layer.groups, positions = 1;
        foreach (long length in size)
        {
            positions *= length;
        }

        long[] output = size.ToArray();
        long width = layer.weight.numel() / layer.weight.shape[0];
        DenseInputs a = new((first, count) => Patches(layer, input.narrow(0, first, count), output).reshape(count, groups, width, positions), [n, groups, width, positions]);
        return new WeightUse(a, g => g.reshape(n, groups, -1, positions), layer.weight.numel());
    }

    public override void ExpectNorms()
    {
        _a.Keep();
        _gram = IsShort ? Gram() : null;
    }

    public override Tensor? SquaredNormOf(Tensor g)
    {
        if (!IsShort)
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor G = Flat(Arrange(g));
        return G.transpose(1, 2).bmm(G).mul_(_gram ?? Gram()).sum().to(ScalarType.Float64).MoveToOuterDisposeScope();
    }

    public override Tensor? SquaresOf(Tensor g)
    {
        if (_a.Groups != 1 || _a.Positions != 1)
        {
            return null;
        }

        // One position: (g_i a_j)^2 summed over the samples is a product of the squares.
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Arrange(g).reshape(Samples, -1), A = _a.Features.reshape(Samples, -1);
        return G.square().t().mm(A.square()).reshape(-1).MoveToOuterDisposeScope();
    }

    private Tensor Gram()
    {
        Tensor A = Flat(_a.Features);
        return A.transpose(1, 2).bmm(A);
    }

    /// <summary>Samples and groups in one dimension, <c>[N groups, d, T]</c>.</summary>
    private static Tensor Flat(Tensor x) => x.reshape(-1, x.shape[2], x.shape[3]);

    /// <summary>What each output position sees: <c>[N, in, K, T]</c>, K the kernel's entries in row-major order, T the output's positions. They lie in the order <c>[in, K, N, T]</c>, in which second moments multiply them.</summary>
    private static Tensor Patches(Convolution layer, Tensor input, long[] size)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor padded = Padded(layer, input);
        long[] kernel = layer.kernel_size, at = new long[kernel.Length];
        long entries = kernel.Aggregate(1L, (product, length) => product * length);
        Tensor patches = empty([input.shape[1], entries, input.shape[0], .. size], input.dtype, input.device);
        for (long k = 0; k < entries; k++)
        {
            using DisposeScope inner = NewDisposeScope();
            TensorIndex[] window = [TensorIndex.Ellipsis, .. Enumerable.Range(0, at.Length).Select(i =>
            {
                long start = at[i] * layer.dilation[i];
                return TensorIndex.Slice(start, start + ((size[i] - 1) * layer.stride[i]) + 1, layer.stride[i]);
            })];
            patches.select(1, k).copy_(padded.index(window).transpose(0, 1));
            for (int i = at.Length - 1; i >= 0 && ++at[i] == kernel[i]; i--)
            {
                at[i] = 0;
            }
        }

        return patches.flatten(3).permute(2, 0, 1, 3).MoveToOuterDisposeScope();
    }

    private static Tensor Padded(Convolution layer, Tensor input)
    {
        // Before and after each dimension, the last one first; "same" padding puts the odd one after.
        long[] margins = [.. Enumerable.Range(0, layer.kernel_size.Length).Reverse().SelectMany<int, long>(i =>
        {
            long total = layer.padding_type == Padding.Same ? layer.dilation[i] * (layer.kernel_size[i] - 1) : 0;
            return layer.padding is { } padding ? [padding[i], padding[i]] : [total / 2, total - (total / 2)];
        })];
        PaddingModes mode = layer.padding_mode == PaddingModes.Zeros ? PaddingModes.Constant : layer.padding_mode;
        return margins.All(m => m == 0) ? input : nn.functional.pad(input, margins, mode);
    }
}
