using Curvature.Layers;
using Curvature.Tensors;

namespace Curvature.Kronecker;

/// <summary>Decides what stands for each parameter's curvature, from how its layers use it and what stands in the way.</summary>
internal sealed class LayerRegistration
{
    private readonly ModelLayers _layers;
    private readonly ParameterSpace _space;
    private readonly KfacOptions _options;
    private readonly string?[] _obstacles;
    private readonly List<LayerStatistics> _blocks = [];
    private readonly RegisteredParameter?[] _lines;

    /// <param name="layers">The model.</param>
    /// <param name="space">The chosen parameters.</param>
    /// <param name="options">Gradients, sharing, the size of full blocks.</param>
    /// <param name="obstacles">For each parameter, why its layers cannot tell its gradients; null where they can.</param>
    public LayerRegistration(ModelLayers layers, ParameterSpace space, KfacOptions options, IReadOnlyList<string?> obstacles)
    {
        (_layers, _space, _options, _obstacles) = (layers, space, options, [.. obstacles]);
        _lines = new RegisteredParameter?[space.Parameters.Count];
        Register();
        Blocks = [.. _blocks.OrderBy(b => b.Indices[0])];
        string[] remarks = layers.Coupling is { } norm
            ? [$"The batch norm '{norm}' normalises by the batch's statistics: samples see each other, and a sample's gradient is its row of the batch's."]
            : [];
        Report = new RegistrationReport([.. _lines.Select(line => line!)], remarks);
    }

    /// <summary>A block of statistics for each part of the parameters, in their order.</summary>
    public IReadOnlyList<LayerStatistics> Blocks { get; }

    /// <summary>What was decided.</summary>
    public RegistrationReport Report { get; }

    private void Register()
    {
        int count = _space.Parameters.Count;
        List<int> rest = [];
        for (int i = 0; i < count; i++)
        {
            if (!_space.Parameters[i].requires_grad)
            {
                Add(new ZeroStatistics(_space.Names[i], i, Size(i), _space.DType, _space.Device), "frozen: its derivatives are zero");
            }
            else if (_obstacles[i] is { } why)
            {
                Add(new BatchDiagonalStatistics(_space.Names[i], i, Size(i), _space.DType, _space.Device), why);
            }
            else if (_layers.ShapeOf(i) is { } shape)
            {
                int[] joint = _layers.BiasOf(i, _obstacles) is { } bias ? [i, bias] : [i];
                Add(new KroneckerStatistics(NameOf(joint), joint, shape, _options, _space.DType, _space.Device));
            }
            else if (_layers.Actings[i].Any(a => a.Shape is not null))
            {
                Add(Diagonal(i), $"it acts in {string.Join(", ", _layers.Owners[i].Select(o => $"'{o}'"))}, which see it as different matrices");
            }
            else
            {
                rest.Add(i);
            }
        }

        foreach (int[] group in rest.Where(i => _lines[i] is null).GroupBy(i => _layers.Owners[i][0]).Select(g => g.ToArray()))
        {
            if (group.Sum(Size) <= _options.FullBlockLimit)
            {
                Add(new FullStatistics(NameOf(group), group, [.. group.Select(Size)], _space.DType, _space.Device));
                continue;
            }

            foreach (int i in group)
            {
                Add(Diagonal(i), $"its layer has more than {_options.FullBlockLimit} entries ({nameof(KfacOptions.FullBlockLimit)})");
            }
        }
    }

    private DiagonalStatistics Diagonal(int i) => new(_space.Names[i], i, Size(i), _space.DType, _space.Device);

    private void Add(LayerStatistics block, string why = "")
    {
        _blocks.Add(block);
        foreach (int i in block.Indices)
        {
            _lines[i] = new RegisteredParameter(_space.Names[i], block.Name, block.Kind, why);
        }
    }

    private long Size(int i) => _space.Parameters[i].numel();

    /// <summary>The layer's name where the block is all of its parameters, else the parameters'.</summary>
    private string NameOf(int[] indices) =>
        _space.Layers.FirstOrDefault(layer => layer.Indices.Order().SequenceEqual(indices.Order()))?.Name ?? string.Join("+", indices.Select(i => _space.Names[i]));
}
