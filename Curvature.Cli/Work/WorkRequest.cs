namespace Curvature.Cli.Work;

/// <summary>What was asked on the command line of <c>report</c> and <c>measure</c>; see the options' descriptions.</summary>
internal sealed record WorkRequest
{
    public required string Model { get; init; }

    public required string Data { get; init; }

    public required string Loss { get; init; }

    /// <summary>The words that repeat this request, for the report.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Folder in which the products are kept, to go on from after the process was killed; null: nowhere.</summary>
    public string? Checkpoint { get; init; }

    /// <summary>Only to be told what it takes, on so many ranks; null: to be done.</summary>
    public int? EstimateFor { get; init; }

    /// <summary>The options that decide the numbers, as they were given; for <see cref="Checkpoint"/>.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Given { get; init; } = [];

    /// <summary>Whether model and data come out of this program: then their passing place on the disk is not worth a word.</summary>
    public bool Embedded { get; init; }

    /// <summary>The data file's name without its folder; of an IDX pair that of the images.</summary>
    public string DataName => Path.GetFileName(File.Exists(Data) ? Data : Data.Split(',')[0]);

    public string? ModelType { get; init; }

    public string? Target { get; init; }

    public double Scale { get; init; } = 1;

    /// <summary>One of <see cref="Operators.KnownOperators"/>.</summary>
    public string Matrix { get; init; } = "hessian";

    /// <summary>Targets that the matrix <c>fisher</c> draws for each sample.</summary>
    public int FisherSamples { get; init; } = 1;

    public string Parameters { get; init; } = "*";

    public int BatchSize { get; init; } = 256;

    /// <summary>Null: as many as the budget allows.</summary>
    public int? Samples { get; init; }

    public TimeSpan Budget { get; init; } = TimeSpan.FromMinutes(10);

    public int Seed { get; init; }

    /// <summary><c>float32</c>, <c>float64</c>, or null for the model's own.</summary>
    public string? Precision { get; init; }

    public string Device { get; init; } = "cpu";

    /// <summary>Whether float32 products on a GPU may round their factors to TF32.</summary>
    public bool TF32 { get; init; }

    public int Threads { get; init; } = Team.Threads;

    /// <summary>How long a rank waits for another one before the job is ended.</summary>
    public TimeSpan RankTimeout { get; init; } = TimeSpan.FromMinutes(10);

    public bool TrainMode { get; init; }

    public double L2 { get; init; }

    public long? IgnoreIndex { get; init; }

    public double LabelSmoothing { get; init; }

    public double[]? ClassWeights { get; init; }
}
