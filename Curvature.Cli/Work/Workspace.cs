using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Networks;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>A model, its data and a loss, read and checked: what every measurement starts from.</summary>
internal sealed class Workspace : IDisposable
{
    private const int FewestBatches = 16;

    private readonly WorkRequest _request;
    private readonly LoadedModel _model;
    private readonly ISupervisedLoss _loss;
    private readonly Tensor? _classWeights;

    private Workspace(WorkRequest request, IRanks ranks, Device device)
    {
        Ranks = ranks;
        _request = request;
        _classWeights = request.ClassWeights is { } weights ? tensor(weights, ScalarType.Float64) : null;
        _loss = KnownLosses.Create(request.Loss, new LossOptions
        {
            IgnoreIndex = request.IgnoreIndex,
            LabelSmoothing = request.LabelSmoothing,
            ClassWeights = _classWeights,
        });
        _model = Checkpoint.Load(request.Model, request.ModelType, Precision(request.Precision), device);
        try
        {
            _model.Module.train(request.TrainMode);
            Parameters = ParameterSpace.Of(_model.Module, request.Parameters);
            Data = Read(request.Data);
        }
        catch
        {
            _model.Dispose();
            throw;
        }
    }

    /// <summary>Those who share the data.</summary>
    public IRanks Ranks { get; }

    /// <summary>All samples of the data file, in the model's dtype and on its device.</summary>
    public SampleSet Data { get; }

    /// <summary>The parameters looked at.</summary>
    public ParameterSpace Parameters { get; }

    /// <summary>The loss.</summary>
    public ISupervisedLoss Loss => _loss;

    /// <summary>What was out of the ordinary about the model's file.</summary>
    public IReadOnlyList<string> Remarks => _model.Remarks;

    /// <summary>Reads and checks everything that <paramref name="request"/> names.</summary>
    /// <exception cref="CurvatureException">Something is missing, damaged, or does not fit; the message says what and what to do.</exception>
    /// <param name="request">What to read.</param>
    /// <param name="ranks">Those who share the data, each of which reads its own; null: this process alone.</param>
    public static Workspace Open(WorkRequest request, IRanks? ranks = null)
    {
        set_num_threads(request.Threads);
        manual_seed(request.Seed); // for models that draw: --train-mode
        ranks ??= OneRank.Instance;
        Workspace? opened = null;
        ranks.Together(() => opened = new Workspace(request, ranks, ComputeDevice.Open(request.Device, request.TF32, ranks.OnThisMachine)));
        return opened!;
    }

    /// <summary>The model, in the mode asked for.</summary>
    public nn.Module Model => _model.Module;

    /// <summary>The model's file as it was read.</summary>
    public LoadedModel Loaded => _model;

    /// <summary>The loss over some samples, as a function of the parameters, or of those of one layer.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="layer">Null: all parameters looked at.</param>
    /// <param name="batchSize">How many at once; null: as the request says.</param>
    public Objective Over(SampleSet samples, ParameterLayer? layer = null, int? batchSize = null) => Over(Share(samples, batchSize ?? _request.BatchSize), layer, Ranks);

    /// <summary>The loss over some batches, which this process goes over alone.</summary>
    /// <param name="batches">The batches.</param>
    /// <param name="layer">Null: all parameters looked at.</param>
    public Objective Over(IReadOnlyList<Batch> batches, ParameterLayer? layer = null) => Over(batches, layer, OneRank.Instance);

    private Objective Over(IReadOnlyList<Batch> batches, ParameterLayer? layer, IRanks ranks)
    {
        ParameterSpace own = layer is null
            ? Parameters
            : new ParameterSpace([.. layer.Indices.Select(i => (Parameters.Names[i], Parameters.Parameters[i]))]);
        return Objective.Supervised(_model.Module, _loss, batches, own, _request.L2, ranks);
    }

    /// <summary>How well the model does on some samples, in evaluation mode whatever mode was asked for; the loss with the L2 term. In 16 batches or more, so that qualities can be compared over batches.</summary>
    public NetworkQuality Quality(SampleSet samples, CancellationToken cancellation)
    {
        NetworkQuality quality = NetworkQuality.Of(_model.Module, Share(samples), _loss, Ranks, cancellation);
        using DisposeScope scope = NewDisposeScope();
        return _request.L2 == 0 ? quality : quality with { Loss = quality.Loss + (_request.L2 / 2 * Parameters.Snapshot().to(ScalarType.Float64).square().sum().ToDouble()) };
    }

    /// <summary>This process's share of some samples, in 16 batches of all of them or more.</summary>
    public IReadOnlyList<Batch> Share(SampleSet samples) => Share(samples, BatchSizeOf(samples));

    private IReadOnlyList<Batch> Share(SampleSet samples, int batchSize)
    {
        IReadOnlyList<Batch> own = [];
        Ranks.Together(() => own = samples.Share(batchSize, Ranks));
        return own;
    }

    /// <summary>The size of batches that was asked for, or what makes 16 of the samples: standard errors over batches need some, and few tell little.</summary>
    public int BatchSizeOf(SampleSet samples) => (int)Math.Min(_request.BatchSize, (samples.Count + FewestBatches - 1) / FewestBatches);

    /// <summary>Another checkpoint, read as that of the request is. The caller disposes it.</summary>
    public LoadedModel Another(string path)
    {
        LoadedModel other = Checkpoint.Load(path, _request.ModelType, Precision(_request.Precision), Parameters.Device);
        other.Module.train(_request.TrainMode);
        return other;
    }

    /// <summary>Other samples, read as those of the request are. The caller disposes them.</summary>
    public SampleSet Read(string data) => SampleSet.Open(
        data, new DataOptions { Target = _request.Target, Scale = _request.Scale, InputType = Parameters.DType }, read => read.To(Parameters.DType, Parameters.Device), Ranks);

    /// <summary>Does something with the model and the data, and puts their names before whatever is found not to fit.</summary>
    public T Named<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (CurvatureException error)
        {
            throw new CurvatureException($"{Path.GetFileName(_request.Model)} on {_request.DataName}: {error.Message}", error);
        }
    }

    /// <summary>The matrix that was asked for. The caller disposes it.</summary>
    public CurvatureOperator Matrix(Objective objective, CurvatureOptions options) =>
        KnownOperators.Create(_request.Matrix, objective, options, _request.Seed, _request.FisherSamples);

    /// <summary>
    /// Times products on one batch. This is also where a model, data and a loss that do not fit each other, or a model that draws random
    /// numbers, are found out, before any long work.
    /// </summary>
    /// <param name="forms">Whether quadratic forms are asked for too.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public ProductCost Time(bool forms, CancellationToken cancellation)
    {
        using SampleSet batch = Data.Choose(Math.Min(_request.BatchSize, Data.Count), _request.Seed);
        Objective objective = Over(batch.All().Batches(batch.Count));
        return Named(() => ProductCost.Measure(options => Matrix(objective, options), batch.Count, forms, cancellation));
    }

    /// <summary>Entries of the model's output for one sample, from one batch.</summary>
    public int Outputs()
    {
        using SampleSet batch = Data.Choose(Math.Min(_request.BatchSize, Data.Count), _request.Seed);
        using var jacobian = new JacobianOperator(Over(batch.All().Batches(batch.Count)), new CurvatureOptions { GraphMemory = 0 });
        return (int)Math.Max(1, jacobian.Rows / batch.Count);
    }

    /// <summary>What is free of a device with memory of its own, in one line; null in main memory. It is said and is no part of a result, which is the same for the same inputs, nor of what makes a job another one.</summary>
    public string? FreeMemory() => Parameters.Device.type != DeviceType.CPU && ProductBudget.FreeBytes(Parameters) is var free && double.IsFinite(free)
        ? $"{Format.Bytes(free)} of {Parameters.Device}'s memory are free."
        : null;

    /// <summary>Adds what was read to the head of the report.</summary>
    public void Describe(EnvironmentReport environment)
    {
        environment.Add("device", Parameters.Device.ToString());
        environment.Add("tf32", ComputeDevice.AllowsTF32);
        environment.Add("dtype", Parameters.DType.ToString().ToLowerInvariant());
        environment.Add("mode", _request.TrainMode ? "train" : "eval");
        if (Ranks.Count > 1)
        {
            environment.Add("ranks", Ranks.Count);
        }

        environment.Add("seed", _request.Seed);
        environment.Add("model", _request.Embedded ? Path.GetFileName(_request.Model) : _request.Model);
        environment.Add("model_sha256", _model.Sha256);
        environment.Add("data", _request.Embedded ? _request.DataName : _request.Data);
        environment.Add("data_sha256", Ranks.TextFrom(0, Ranks.Rank == 0 ? EnvironmentReport.Sha256(_request.Data) : null));
    }

    public void Dispose()
    {
        Data.Dispose();
        _model.Dispose();
        _classWeights?.Dispose();
    }

    private static ScalarType? Precision(string? name) => name switch
    {
        "float32" => ScalarType.Float32,
        "float64" => ScalarType.Float64,
        _ => null,
    };
}
