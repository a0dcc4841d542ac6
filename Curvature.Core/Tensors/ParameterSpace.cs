using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// An ordered choice of named parameters, read as one vector theta of length <see cref="Count"/> = P: the row-major entries of the
/// first parameter, then of the second, and so on. A tied parameter appears once, under its first name. The space refers to the
/// model's own tensors, neither copies nor owns them, and is void once the model is moved to another device or dtype.
/// </summary>
public sealed class ParameterSpace
{
    private readonly long[] _offsets;
    private readonly ConditionalWeakTable<Tensor, object> _positions = [];

    /// <summary>The given tensors, in the given order. A frozen one (<c>requires_grad</c> false) is a constant: its derivatives are zero.</summary>
    /// <param name="parameters">Names and leaf tensors of one floating dtype on one device.</param>
    /// <exception cref="CurvatureException">None given, a name given twice, mixed dtypes or devices.</exception>
    public ParameterSpace(IEnumerable<(string Name, Tensor Value)> parameters)
    {
        (string Name, Tensor Value)[] list = [.. parameters];
        if (list.Length == 0)
        {
            throw new CurvatureException("No parameters were chosen: curvature needs at least one.");
        }

        Names = [.. list.Select(p => p.Name)];
        Parameters = [.. list.Select(p => p.Value)];
        DType = Parameters[0].dtype;
        Device = Parameters[0].device;
        _offsets = new long[list.Length + 1];
        for (int i = 0; i < list.Length; i++)
        {
            CheckLike(i);
            _offsets[i + 1] = _offsets[i] + Parameters[i].numel();
        }

        if (Names.Distinct().Count() != Names.Count)
        {
            throw new CurvatureException($"Parameter names must differ; '{Names.GroupBy(n => n).First(g => g.Count() > 1).Key}' came twice.");
        }

        Layers = [.. Enumerable.Range(0, list.Length)
            .GroupBy(i => OwnerOf(Names[i]))
            .Select(g => new ParameterLayer(g.Key, [.. g], g.Sum(i => Parameters[i].numel())))];
    }

    /// <summary>Names, in order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The model's own tensors, in order.</summary>
    public IReadOnlyList<Tensor> Parameters { get; }

    /// <summary>P, the number of entries.</summary>
    public long Count => _offsets[^1];

    /// <summary>The parameters' dtype, which vectors must have too.</summary>
    public ScalarType DType { get; }

    /// <summary>The parameters' device, where vectors must lie too.</summary>
    public Device Device { get; }

    /// <summary>The parameters grouped by the module that owns them, in order of first appearance.</summary>
    public IReadOnlyList<ParameterLayer> Layers { get; }

    /// <summary>
    /// The trainable parameters of <paramref name="module"/> whose names match <paramref name="glob"/> (<c>*</c> and <c>?</c>; several
    /// patterns separated by commas). Frozen parameters are constants and left out; tied ones come once.
    /// </summary>
    /// <exception cref="CurvatureException">Nothing matches: the message lists the names there are.</exception>
    public static ParameterSpace Of(nn.Module module, string glob = "*")
    {
        (string name, Tensor value)[] all = [.. NamedIn(module)];
        string[] patterns = glob.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        (string name, Tensor value)[] chosen =
            [.. all.Where(p => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, p.name, ignoreCase: false)))];
        if (chosen.Length == 0)
        {
            throw new CurvatureException(
                $"No parameter matches '{glob}'. The model has: {(all.Length == 0 ? "none" : string.Join(", ", all.Select(p => p.name)))}.");
        }

        (string name, Tensor value)[] trainable = [.. chosen.Where(p => p.value.requires_grad)];
        return trainable.Length > 0
            ? new ParameterSpace(trainable)
            : throw new CurvatureException(
                $"All {chosen.Length} parameters that match '{glob}' are frozen (requires_grad is false); set requires_grad on those to analyse.");
    }

    /// <summary>All parameters of a module with their names, frozen ones too; a tied one comes once, under its first name.</summary>
    public static IReadOnlyList<(string Name, Tensor Value)> NamedIn(nn.Module module) => WithoutAliases(module.named_parameters().Select(p => (p.name, (Tensor)p.parameter)));

    /// <summary>The position of a tensor among the parameters, -1 where it is none: engines may hand out several handles of one tensor. A handle is looked up once.</summary>
    public int IndexOf(Tensor parameter) => (int)_positions.GetValue(parameter, Find);

    /// <summary>Where parameter <paramref name="index"/> begins in the vector.</summary>
    public long Offset(int index) => _offsets[index];

    /// <summary>Parts of the parameters' shapes, concatenated: <c>[P]</c>, a new tensor of the caller's scope.</summary>
    public Tensor Flatten(IReadOnlyList<Tensor> parts)
    {
        if (parts.Count != Parameters.Count)
        {
            throw new CurvatureException($"Expected {Parameters.Count} parts, one for each parameter; got {parts.Count}.");
        }

        for (int i = 0; i < parts.Count; i++)
        {
            if (!parts[i].shape.AsSpan().SequenceEqual(Parameters[i].shape))
            {
                throw new CurvatureException(
                    $"Part {i} ('{Names[i]}'): expected shape [{string.Join(", ", Parameters[i].shape)}], got [{string.Join(", ", parts[i].shape)}].");
            }
        }

        using DisposeScope scope = NewDisposeScope();
        return Join([.. parts.Select(p => p.reshape(-1))]).MoveToOuterDisposeScope();
    }

    /// <summary>The vector's pieces in the parameters' shapes: views of <paramref name="vector"/> <c>[P]</c>, in the caller's scope.</summary>
    public IReadOnlyList<Tensor> Split(Tensor vector)
    {
        if (vector.dim() != 1 || vector.shape[0] != Count)
        {
            throw new CurvatureException($"Expected a vector of shape [{Count}], got [{string.Join(", ", vector.shape)}].");
        }

        Tensor[] parts = new Tensor[Parameters.Count];
        for (int i = 0; i < parts.Length; i++)
        {
            using Tensor piece = vector.narrow(0, _offsets[i], _offsets[i + 1] - _offsets[i]);
            parts[i] = piece.view(Parameters[i].shape);
        }

        return parts;
    }

    /// <summary>The parameters' present values as one vector <c>[P]</c> without graph, a copy in the caller's scope.</summary>
    public Tensor Snapshot()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return Join([.. Parameters.Select(p => p.detach().reshape(-1))]).MoveToOuterDisposeScope();
    }

    /// <summary>The vectors end to end, always in memory of its own: TorchSharp's <c>cat</c> of a single tensor is another name for it.</summary>
    internal static Tensor Join(IList<Tensor> vectors) => vectors.Count == 1 ? vectors[0].clone() : cat(vectors);

    /// <summary>Writes a vector <c>[P]</c> into the parameters, in place and without graph.</summary>
    public void Assign(Tensor vector)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        IReadOnlyList<Tensor> parts = Split(vector);
        for (int i = 0; i < parts.Count; i++)
        {
            Parameters[i].copy_(parts[i]);
        }
    }

    /// <summary>Adds <c>scale * parts</c> to a vector <c>[P]</c>, null parts being zero.</summary>
    internal void Accumulate(Tensor vector, IReadOnlyList<Tensor?> parts, double scale)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        for (int i = 0; i < parts.Count; i++)
        {
            if (parts[i] is { } part)
            {
                Tensor slot = vector.narrow(0, _offsets[i], part.numel());
                slot.add_(part.detach().reshape(-1), scale);
            }
        }
    }

    private static string OwnerOf(string name) => name.LastIndexOf('.') is > 0 and int dot ? name[..dot] : name;

    private void CheckLike(int i)
    {
        Tensor p = Parameters[i];
        if (!p.is_floating_point() || p.dtype != DType || p.device.type != Device.type || p.device.index != Device.index)
        {
            throw new CurvatureException(
                $"Parameters must share one floating dtype and one device: '{Names[0]}' is {DType} on {Device}, '{Names[i]}' is {p.dtype} on {p.device}.");
        }
    }

    /// <summary>
    /// TorchScript lists a tied parameter under each of its names, as separate handles of one tensor, and some modules hand out a new handle of their weight at
    /// each look, so that a layer tied to one holds another.
    /// </summary>
    /// <summary>Handles are compared before tensors are: what tells those apart may wait for a device and write to it.</summary>
    private object Find(Tensor parameter)
    {
        int[] all = [.. Enumerable.Range(0, Parameters.Count)];
        int known = all.FirstOrDefault(i => ReferenceEquals(Parameters[i], parameter), -1);
        return known >= 0 ? known : all.FirstOrDefault(i => AreOneTensor(Parameters[i], parameter), -1);
    }

    private static List<(string Name, Tensor Value)> WithoutAliases(IEnumerable<(string Name, Tensor Value)> all)
    {
        List<(string Name, Tensor Value)> kept = [];
        foreach ((string name, Tensor value) in all)
        {
            if (!kept.Any(k => AreOneTensor(k.Value, value)))
            {
                kept.Add((name, value));
            }
        }

        return kept;
    }

    /// <summary>Whether two handles are of one tensor: by its address in main memory, elsewhere by writing to one entry and looking at the other.</summary>
    private static bool AreOneTensor(Tensor a, Tensor b)
    {
        if (ReferenceEquals(a, b))
        {
            return true;
        }

        if (a.numel() == 0 || a.device.ToString() != b.device.ToString() || a.dtype != b.dtype || !a.shape.AsSpan().SequenceEqual(b.shape))
        {
            return false;
        }

        if (a.device.type == DeviceType.CPU && a.is_contiguous() && b.is_contiguous() && a.numel() * a.ElementSize <= int.MaxValue)
        {
            return Unsafe.AreSame(ref MemoryMarshal.GetReference(a.bytes), ref MemoryMarshal.GetReference(b.bytes));
        }

        if (!a.Equals(b))
        {
            return false;
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor entry = VersionSentinel.FirstEntry(a), before = entry.clone();
        entry.fill_(before.ToDouble() == 0 ? 1 : 0);
        bool same = a.Equals(b);
        entry.copy_(before);
        return same;
    }
}
