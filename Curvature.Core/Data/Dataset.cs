using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// Samples in memory: inputs <c>[N, ...]</c> and targets <c>[N]</c> or <c>[N, ...]</c>, N at least 1, every floating-point element
/// finite. It owns its tensors, which leave any dispose scope, until it is disposed; nothing else may change them.
/// </summary>
public sealed class Dataset : IDisposable
{
    /// <summary>Takes the tensors over.</summary>
    /// <param name="inputs">Inputs, <c>[N, ...]</c>.</param>
    /// <param name="targets">Targets, <c>[N]</c> or <c>[N, ...]</c>.</param>
    /// <param name="name">Where they come from, for messages.</param>
    /// <exception cref="CurvatureException">
    /// No samples, unequal numbers of them, or an element that is NaN or infinite, named by its row from 0. The tensors stay the
    /// caller's.
    /// </exception>
    public Dataset(Tensor inputs, Tensor targets, string name) : this(name, Checked(inputs, targets, name), targets)
    {
    }

    /// <summary>Tensors that are known to pass the checks.</summary>
    private Dataset(string name, Tensor inputs, Tensor targets)
    {
        Name = name;
        Inputs = inputs;
        Targets = targets;
        inputs.DetachFromDisposeScope();
        targets.DetachFromDisposeScope();
    }

    /// <summary><c>[N, ...]</c>.</summary>
    public Tensor Inputs { get; }

    /// <summary><c>[N]</c> or <c>[N, ...]</c>.</summary>
    public Tensor Targets { get; }

    /// <summary>Number of samples N.</summary>
    public long Count => Inputs.shape[0];

    /// <summary>Bytes of one sample with its target.</summary>
    public double BytesOfSample => (((double)Inputs.numel() * Inputs.ElementSize) + ((double)Targets.numel() * Targets.ElementSize)) / Count;

    /// <summary>Where they come from.</summary>
    public string Name { get; }

    /// <summary>
    /// A random subset without replacement, in random order, as new tensors; the same seed gives the same subset on any machine.
    /// </summary>
    /// <param name="count">Number of samples; N or more gives them all, in order.</param>
    /// <param name="seed">Chooses the subset.</param>
    /// <exception cref="CurvatureException"><paramref name="count"/> is not positive.</exception>
    public Dataset Sample(long count, int seed)
    {
        if (count <= 0)
        {
            throw new CurvatureException($"{Name}: expected at least 1 sample to be asked for, got {count}; ask for 1 to {Count}.");
        }

        return count >= Count ? new Dataset(Name, Inputs.clone(), Targets.clone()) : Select(Subset(Count, count, seed));
    }

    /// <summary>Some samples, in the order asked for, as new tensors.</summary>
    /// <param name="rows">Their places, from 0.</param>
    public Dataset Select(IReadOnlyList<long> rows)
    {
        using Tensor at = tensor(rows.ToArray()).to(Inputs.device);
        return new Dataset(Name, Inputs.index_select(0, at), Targets.index_select(0, at));
    }

    /// <summary>
    /// The same samples with floating-point inputs and targets in another type, on another device. Integers (tokens, labels) keep their
    /// type. Where nothing changes, the new dataset shares memory with this one; each is disposed on its own.
    /// </summary>
    public Dataset To(ScalarType inputType, Device device) =>
        new(Name, Convert(Inputs, TypeOf(Inputs, inputType), device), Convert(Targets, TypeOf(Targets, inputType), device));

    /// <summary>
    /// The samples in order, <paramref name="batchSize"/> at a time, the last batch with what is left. The batches are views of this
    /// dataset, made afresh at each access: they fall to the dispose scope that is current then, and are not valid after it or this
    /// dataset.
    /// </summary>
    /// <exception cref="CurvatureException"><paramref name="batchSize"/> is not positive.</exception>
    public IReadOnlyList<Batch> Batches(long batchSize) => batchSize > 0
        ? new BatchList(this, Math.Min(batchSize, Count))
        : throw new CurvatureException($"{Name}: expected a batch size of at least 1, got {batchSize}; ask for 1 to {Count}.");

    /// <inheritdoc/>
    public void Dispose()
    {
        Inputs.Dispose();
        Targets.Dispose();
    }

    /// <summary>
    /// A dataset of arrays as a file held them: inputs scaled as the options say, integer inputs and targets as int64.
    /// The arrays are taken over, and disposed where they do not make a dataset.
    /// </summary>
    /// <param name="name">Where they come from.</param>
    /// <param name="inputs">As the file has them.</param>
    /// <param name="targets">As the file has them.</param>
    /// <param name="options">How to read them.</param>
    /// <param name="rows">Their places in the file, for messages; null: from 0.</param>
    internal static Dataset Take(string name, Tensor inputs, Tensor targets, DataOptions options, IReadOnlyList<long>? rows = null)
    {
        using DisposeScope scope = NewDisposeScope();
        scope.Attach(inputs);
        scope.Attach(targets);
        ScalarType type = ElementTypes.IsFloating(inputs.dtype) ? inputs.dtype
            : options.Scale == 1 ? ScalarType.Int64
            : options.InputType;
        Tensor x = Convert(inputs, type, CPU);
        Tensor y = ElementTypes.IsFloating(targets.dtype) ? targets.alias() : Convert(targets, ScalarType.Int64, CPU);
        x = options.Scale == 1 ? x : x.mul(options.Scale);
        return new Dataset(name, Checked(x, y, name, rows), y);
    }

    private static ScalarType TypeOf(Tensor tensor, ScalarType floating) =>
        ElementTypes.IsFloating(tensor.dtype) ? floating : tensor.dtype;

    private static Tensor Convert(Tensor tensor, ScalarType type, Device device)
    {
        bool same = type == tensor.dtype && device.type == tensor.device.type && device.index == tensor.device.index;
        return same ? tensor.alias() : tensor.to(type, device);
    }

    /// <summary>The rows that <see cref="Sample"/> takes of so many samples: the first places of a Fisher-Yates shuffle, or all of them in order.</summary>
    /// <param name="total">N.</param>
    /// <param name="count">How many.</param>
    /// <param name="seed">Chooses the subset.</param>
    public static long[] Subset(long total, long count, int seed)
    {
        if (count >= total)
        {
            return [.. Enumerable.Range(0, checked((int)total)).Select(row => (long)row)];
        }

        var random = new Random(seed);
        long[] rows = new long[total];
        for (long i = 0; i < total; i++)
        {
            rows[i] = i;
        }

        for (long i = 0; i < count; i++)
        {
            long other = random.NextInt64(i, total);
            (rows[i], rows[other]) = (rows[other], rows[i]);
        }

        return rows[..(int)count];
    }

    private static Tensor Checked(Tensor inputs, Tensor targets, string name, IReadOnlyList<long>? rows = null)
    {
        if (inputs.ndim == 0 || targets.ndim == 0 || inputs.shape[0] != targets.shape[0])
        {
            throw Bad(
                "inputs and targets with the same number of rows",
                $"inputs {InputFile.Show(inputs.shape)} and targets {InputFile.Show(targets.shape)}",
                "give one target for each sample");
        }

        if (inputs.shape[0] == 0)
        {
            throw Bad("at least 1 sample", "none", "give data with samples in it");
        }

        foreach ((Tensor tensor, string what) in new[] { (inputs, "inputs"), (targets, "targets") })
        {
            if (Finite.FirstBadRow(tensor) is long row)
            {
                string at = (rows?[(int)row] ?? row).ToString(CultureInfo.InvariantCulture);
                throw Bad($"finite {what}", $"NaN or infinity in row {at} (counted from 0)", "remove or mend that sample");
            }
        }

        return inputs;

        DataFormatException Bad(string expected, string got, string remedy) => new(name, expected, got, remedy);
    }
}
