using System.Runtime.InteropServices;
using Curvature.Data;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>An objective made of a model, a loss and batches of inputs and targets.</summary>
internal sealed class SupervisedObjective : Objective
{
    private readonly ModuleState _state;
    private readonly nn.IModule<Tensor, Tensor> _model;
    private readonly ISupervisedLoss _loss;
    private readonly IEnumerable<Batch> _batches;
    private readonly HashSet<int> _checked = [];
    private readonly List<double> _terms = [];

    public SupervisedObjective(nn.Module model, ISupervisedLoss loss, IEnumerable<Batch> batches, ParameterSpace parameters, double l2)
        : base(parameters, loss.Reduction, l2)
    {
        _state = new ModuleState(model);
        _model = model as nn.IModule<Tensor, Tensor>
            ?? throw new CurvatureException(
                $"The model {model.GetType().Name} does not map one tensor to one tensor (IModule<Tensor, Tensor>); use Objective.FromClosure.");
        Model = model is jit.ScriptModule ? null : model;
        _loss = loss;
        _batches = batches;
    }

    /// <inheritdoc/>
    public override bool IsSplit => _loss is ICurvatureLoss;

    /// <inheritdoc/>
    internal override nn.Module? Model { get; }

    /// <inheritdoc/>
    protected internal override bool GraphsCanBeKept => _state.GraphsCanBeKept(Parameters.Device);

    /// <inheritdoc/>
    protected internal override IEnumerable<Tensor> Constants => _state.Constants;

    /// <inheritdoc/>
    protected internal override int Mode => Parameters.Parameters.Aggregate(_state.Mode, (hash, p) => unchecked((hash * 31) + (p.requires_grad ? 1 : 2)));

    /// <inheritdoc/>
    protected internal override IEnumerable<ObjectiveBatch> Batches()
    {
        int index = 0;
        long first = 0;
        bool lasts = _batches is IReadOnlyList<Batch> && !_state.MovesStatistics;
        foreach (Batch batch in _batches)
        {
            int at = index++;
            long rows = batch.Targets.dim() == 0 ? 1 : batch.Targets.shape[0];
            yield return new ObjectiveBatch(at, Terms(at, batch), () => Value(at, batch))
            {
                Split = _loss is ICurvatureLoss loss ? new SplitBatch(loss, () => Evaluate(at, batch)) { Lasts = lasts } : null,
                Rows = rows,
                FirstRow = first,
            };
            first += rows;
        }
    }

    /// <inheritdoc/>
    protected internal override IDisposable? PreserveState() => _state.Preserve();

    /// <inheritdoc/>
    protected override Tensor SmallLoss()
    {
        foreach (Batch batch in OutsideScope(_batches))
        {
            long rows = Math.Min(2, batch.Inputs.shape[0]);
            try
            {
                Tensor outputs = Forward(0, batch.Inputs.narrow(0, 0, rows)), targets = Place(batch.Targets.narrow(0, 0, rows));
                _loss.Check(outputs, targets);
                return _loss.Value(outputs, targets);
            }
            catch (CurvatureException)
            {
                break; // a model may be made for one batch size, and two rows may have nothing to learn from
            }
        }

        return FirstLoss();
    }

    /// <summary>
    /// TorchScript makes its plan of a model from the first evaluation it sees. Made with gradients, the plan holds derivatives of its own, and those of
    /// convolution with batch norm (libtorch 1.13) have a wrong second derivative; made without, it leaves differentiation to autograd.
    /// TorchSharp offers no switch for it; the stand-in evaluates without plans.
    /// </summary>
    protected override void Settle()
    {
        if (_model is jit.ScriptModule)
        {
            using IDisposable noGrad = no_grad();
            SmallLoss().Dispose();
            SmallLoss().Dispose();
        }
    }

    /// <inheritdoc/>
    protected override IEnumerable<(string What, Tensor Value)> ObserveBatch()
    {
        foreach (Batch batch in OutsideScope(_batches))
        {
            yield return ("the data: its inputs", batch.Inputs.clone());
            yield return ("the data: its targets", batch.Targets.clone());
            yield return ("the predictions", Forward(0, batch.Inputs));
            yield break;
        }
    }

    /// <inheritdoc/>
    internal override T OnFewRows<T>(Func<SplitBatch, T> use)
    {
        using Undisturbed state = new(this);
        foreach (Batch batch in OutsideScope(_batches))
        {
            long rows = Math.Min(2, batch.Inputs.shape[0]);
            return use(new SplitBatch((ICurvatureLoss)_loss, () => (Forward(0, batch.Inputs.narrow(0, 0, rows)), Place(batch.Targets.narrow(0, 0, rows)))));
        }

        throw new CurvatureException("The data is empty.");
    }

    /// <inheritdoc/>
    protected override string LikelyCause() => _state.IsTraining
        ? "The model is in train mode: dropout draws anew at each call, and batch norm depends on how shuffled batches fall. Measure in eval mode "
            + "(eval(), or without --train-mode), or remove the randomness, and keep the order of the data fixed."
        : "Keep the order of the data fixed (no shuffling between passes, no random augmentation), and seed whatever the model draws.";

    private double Terms(int index, Batch batch)
    {
        // Counting may need a host synchronisation, and the determinism probe vouches for the data: once a batch is enough.
        if (index == _terms.Count)
        {
            double terms = _loss.Terms(batch.Targets);
            _terms.Add(Reduction == Reduction.Sum && terms != 0 ? 1 : terms);
        }

        return _terms[index];
    }

    private Tensor Value(int index, Batch batch)
    {
        (Tensor outputs, Tensor targets) = Evaluate(index, batch);
        return _loss.Value(outputs, targets);
    }

    private (Tensor Outputs, Tensor Targets) Evaluate(int index, Batch batch)
    {
        Tensor outputs = Forward(index, batch.Inputs);
        Tensor targets = Place(batch.Targets);
        if (!_checked.Contains(index))
        {
            _loss.Check(outputs, targets);
            _checked.Add(index);
        }

        return (outputs, targets);
    }

    private Tensor Forward(int index, Tensor inputs)
    {
        Tensor x = Place(inputs);
        try
        {
            return _model.call(x)!;
        }
        catch (Exception error) when (error is ExternalException or ArgumentException)
        {
            throw new CurvatureException(
                $"The model rejected batch {index}: inputs of shape [{string.Join(", ", x.shape)}], {x.dtype}. The engine says: "
                + $"{EngineError.Summary(error)}. {(x.is_floating_point() ? "" : "Whole numbers, as x has here (uint8 too), are handed on as int64, as tokens are: for a model of real numbers save x as float32, or give a scale (--scale 0.0039 for bytes). ")}"
                + "Check that x has the shape the model takes, samples first.", error);
        }
    }

    private Tensor Place(Tensor t) => DeviceCopy.To(t, t.is_floating_point() ? Parameters.DType : t.dtype, Parameters.Device);
}
