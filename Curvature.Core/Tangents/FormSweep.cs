using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>The sweep whose results are the quadratic forms <c>v_i^T (H v)_i</c> of each parameter i and each direction.</summary>
internal sealed class FormSweep : CutSweep
{
    private readonly Tensor _forms;

    /// <param name="graph">The batch.</param>
    /// <param name="k">How many directions.</param>
    /// <param name="directions">Their parts, <c>[k, parameter...]</c> each.</param>
    /// <param name="forms">Float64 <c>[parameters, k]</c>, to which they are added.</param>
    public FormSweep(CutGraph graph, int k, IReadOnlyList<Tensor> directions, Tensor forms) : base(graph, k, directions)
    {
        _forms = forms;
        Run();
    }

    protected override bool Products => false;

    protected override Tensor? Pull(BilinearCall call, BilinearTangents layer, Tensor? cotangents, bool intoInput)
    {
        // V . (H v)_W = B(V, a) . c' + a' . B(V, .)^T c,  v . (H v)_b = v . b^T c'
        Add(call.Weight, layer.InputForms);
        if (cotangents is null)
        {
            return layer.PullDirections();
        }

        Add(call.Weight, layer.OutputForms(cotangents));
        if (call.Bias >= 0)
        {
            Take(call.Bias, call.BiasGradients(cotangents));
        }

        return intoInput ? call.Pull(cotangents).add_(layer.PullDirections()!) : null;
    }

    protected override void Take(int parameter, Tensor product) => Add(parameter, Forms.Of(Direction(parameter)!, product));

    private void Add(int parameter, Tensor? forms)
    {
        if (forms is null)
        {
            return;
        }

        using Tensor row = _forms.select(0, parameter);
        row.add_(forms);
    }
}
