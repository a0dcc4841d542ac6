using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Cli;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Jobs that end half way, and their journals in every state in which a process can leave them.</summary>
public sealed class ProductJournalTests : IDisposable
{
    private const int N = 40;

    private static readonly KeyValuePair<string, string>[] Job = [new("model_sha256", "a1"), new("--seed", "1")];

    private readonly TemporaryFolder _folder = new();
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly MatrixOperator _a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, N).Select(i => Math.Pow(0.8, i))], dtype: ScalarType.Float32);
    private readonly List<string> _said = [];

    private string File => _folder.File(ProductJournal.FileName);

    public void Dispose()
    {
        _a.Dispose();
        _scope.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(23)]
    [InlineData(50)]
    public void A_job_that_ended_after_any_product_goes_on_to_the_same_bits(int last)
    {
        double[] expected = Uninterrupted();
        Counting first = new(_a, last);
        Assert.Throws<OperationCanceledException>(() => Recorded(first));
        Counting second = new(_a);
        Assert.Equal(expected, Recorded(second));
        Counting third = new(_a);
        Assert.Equal(expected, Recorded(third));
        Assert.Equal(new Counting(_a).Count(Measure), first.Passed + second.Passed);
        Assert.Equal(0, third.Passed);
        Assert.Empty(_said);
    }

    [Fact]
    public void What_is_left_of_a_torn_record_is_dropped()
    {
        double[] expected = Recorded(_a);
        byte[] whole = System.IO.File.ReadAllBytes(File);
        for (int length = whole.Length - 1; length > 0; length -= whole.Length / 17)
        {
            _folder.Write(ProductJournal.FileName, whole[..length]);
            Assert.Equal(expected, Recorded(_a));
            Assert.Equal(whole.Length, new FileInfo(File).Length);
        }

        Assert.All(_said, line => Assert.Contains("no whole record", line, StringComparison.Ordinal));
    }

    [Fact]
    public void A_damaged_record_is_dropped_with_all_behind_it_and_told_of()
    {
        double[] expected = Recorded(_a);
        byte[] whole = System.IO.File.ReadAllBytes(File);
        foreach (double place in (double[])[0.3, 0.5, 0.9])
        {
            byte[] damaged = [.. whole];
            damaged[(int)(place * whole.Length)] ^= 4;
            _folder.Write(ProductJournal.FileName, damaged);
            _said.Clear();
            Counting counting = new(_a);
            Assert.Equal(expected, Recorded(counting));
            Assert.InRange(counting.Passed, 1, (int)((1 - place) * new Counting(_a).Count(Measure)) + 9);
            Assert.Contains("the rest of the journal is dropped and computed again", Assert.Single(_said), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_damage_to_the_head_of_a_record_goes_unsaid()
    {
        long first = 0;
        using (ProductJournal journal = Open())
        {
            first = journal.Size;
        }

        double[] expected = Recorded(_a);
        byte[] whole = System.IO.File.ReadAllBytes(File);
        for (int place = 0; place < 56; place++)
        {
            byte[] damaged = [.. whole];
            damaged[first + place] ^= 0x41;
            _folder.Write(ProductJournal.FileName, damaged);
            _said.Clear();
            Assert.Equal(expected, Recorded(_a));
            Assert.NotEmpty(_said);
        }
    }

    [Fact]
    public void A_recorded_operator_has_the_layers_of_its_own()
    {
        Problem problem = Problems.Create("tanh-mlp mse");
        using HessianOperator hessian = new(problem.Objective());
        using ProductJournal journal = Open();
        TraceEstimate expected = new HutchinsonTrace { MaxProbes = 5, Seed = 1 }.Estimate(hessian), recorded = new HutchinsonTrace { MaxProbes = 5, Seed = 1 }.Estimate(journal.Record(hessian, "H"));
        Assert.True(recorded.Layers.Count > 1);
        Assert.Equal(expected.Layers.Select(layer => (layer.Name, layer.Trace.Value)), recorded.Layers.Select(layer => (layer.Name, layer.Trace.Value)));
    }

    [Fact]
    public void Quadratic_forms_are_recorded_as_the_numbers_they_are()
    {
        Problem problem = Problems.Create("tanh-mlp mse");
        using HessianOperator hessian = new(problem.Objective());
        double[][] expected = hessian.QuadraticForms(ones(hessian.Columns, 3, hessian.DType, device: Here), hessian.Parameters), whole = hessian.QuadraticForms(ones(hessian.Columns, 3, hessian.DType, device: Here));
        for (int run = 0; run < 2; run++)
        {
            using ProductJournal journal = Open();
            JournalledOperator recorded = journal.Record(hessian, "H");
            int before = hessian.Products;
            Assert.Equal(expected, recorded.QuadraticForms(ones(hessian.Columns, 3, hessian.DType, device: Here), hessian.Parameters));
            Assert.Equal(whole, recorded.QuadraticForms(ones(hessian.Columns, 3, hessian.DType, device: Here)));
            Assert.Equal((6, 6 * run, 6 * (1 - run)), (recorded.Products, journal.Replayed, hessian.Products - before));
            Assert.InRange(journal.Size, 0, 4096); // products would be some ten thousand bytes
        }
    }

    [Fact]
    public void An_answer_to_another_question_is_not_taken()
    {
        using (ProductJournal journal = Open())
        {
            journal.Record(_a, "matrix").Apply(ones(N, ScalarType.Float32, device: Here));
        }

        using MatrixOperator other = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, N).Select(i => (double)i)], 1, ScalarType.Float32);
        using (ProductJournal journal = Open())
        {
            Assert.Equal(1, journal.Recorded);
            Tensor product = journal.Record(other, "another matrix").Apply(ones(N, ScalarType.Float32, device: Here));
            Assert.Equal(other.Apply(ones(N, ScalarType.Float32, device: Here)).cpu().data<float>().ToArray(), product.cpu().data<float>().ToArray());
            Assert.Equal(0, journal.Replayed);
        }

        Assert.Contains("asks for another product than the earlier run did", Assert.Single(_said), StringComparison.Ordinal);
    }

    [Fact]
    public void A_reading_stays_what_it_was()
    {
        using (ProductJournal journal = Open())
        {
            Assert.Equal(3.25, journal.Reading("free memory", () => 3.25));
        }

        using ProductJournal again = Open();
        Assert.Equal(3.25, again.Reading("free memory", () => throw new InvalidOperationException("measured twice")));
        Assert.Equal(7, again.Reading("free memory", () => 7));
    }

    [Fact]
    public void The_journal_of_another_job_is_refused_with_what_differs_and_left_alone()
    {
        Recorded(_a);
        byte[] before = System.IO.File.ReadAllBytes(File);
        CurvatureException error = Assert.Throws<CurvatureException>(() => ProductJournal.Open(_folder.File("."), [new("model_sha256", "b2"), new("--seed", "1"), new("--top", "3")]));
        Assert.Contains("belongs to another job: model_sha256 was a1 and is b2; --top was not given and is 3. ", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, System.IO.File.ReadAllBytes(File));
    }

    [Fact]
    public void A_journal_without_a_product_is_nobodys_and_one_whose_beginning_is_damaged_is_left_alone()
    {
        using (ProductJournal journal = Open())
        {
            journal.Reading("free memory", () => 3.25);
        }

        byte[] before = System.IO.File.ReadAllBytes(File), damaged = [.. before];
        damaged[20] ^= 1; // in its description of the job
        KeyValuePair<string, string>[] other = [new("model_sha256", "b2")];
        _folder.Write(ProductJournal.FileName, damaged);
        Assert.Throws<CurvatureException>(() => ProductJournal.Open(_folder.File("."), other));
        Assert.Equal(damaged, System.IO.File.ReadAllBytes(File));
        _folder.Write(ProductJournal.FileName, before);
        List<string> told = [];
        using ProductJournal theirs = ProductJournal.Open(_folder.File("."), other, told.Add);
        Assert.Contains("begun anew", Assert.Single(told), StringComparison.Ordinal);
        Assert.Equal(7, theirs.Reading("free memory", () => 7));
        Assert.Equal(TimeSpan.Zero, theirs.Before);
    }

    [Theory]
    [InlineData(0)] // its mark
    [InlineData(10)] // its time
    [InlineData(23)] // its length
    public void Another_jobs_products_are_left_alone_where_the_head_of_the_first_is_damaged(int at)
    {
        long first;
        using (ProductJournal journal = Open())
        {
            journal.Reading("free memory", () => 3.25);
            first = journal.Size;
            using JournalledOperator a = journal.Record(new MatrixOperator(ones(3, 3)), "ones");
            a.Apply(ones(3)).Dispose();
            a.Apply(zeros(3)).Dispose();
        }

        byte[] damaged = System.IO.File.ReadAllBytes(File);
        damaged[first + at] = 0xFF;
        _folder.Write(ProductJournal.FileName, damaged);
        Assert.Contains("belongs to another job", Assert.Throws<CurvatureException>(() => ProductJournal.Open(_folder.File("."), [new("model_sha256", "b2")])).Message, StringComparison.Ordinal);
        Assert.Equal(damaged, System.IO.File.ReadAllBytes(File));
    }

    [Fact]
    public void A_file_that_is_no_journal_is_refused_and_left_alone()
    {
        _folder.Write(ProductJournal.FileName, "my thesis");
        Assert.Contains("is no journal of products", Assert.Throws<CurvatureException>(() => Open()).Message, StringComparison.Ordinal);
        Assert.Equal("my thesis", System.IO.File.ReadAllText(File));
        byte[] later = [.. "CURVJRNL"u8, 9, 0, 0, 0, 2, 0, 0, 0, .. "{}"u8];
        _folder.Write(ProductJournal.FileName, later);
        Assert.Contains("version 9", Assert.Throws<CurvatureException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_processes_do_not_work_on_one_checkpoint()
    {
        using ProductJournal journal = Open();
        Assert.Contains("in use", Assert.Throws<CurvatureException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [MountFact]
    public void A_full_disk_is_told_once_and_the_job_goes_on()
    {
        using var disk = Mount.Tmpfs(_folder, "size=8k");
        double[] expected = Uninterrupted();
        for (int run = 0; run < 2; run++)
        {
            _said.Clear();
            using ProductJournal journal = ProductJournal.Open(disk.Path, Job, _said.Add);
            Assert.Equal(expected, Measure(journal.Record(_a, "matrix")));
            Assert.Contains("the disk is full", Assert.Single(_said), StringComparison.Ordinal);
            Assert.Equal(run == 0, journal.Recorded == 0);
            Assert.Equal(run == 0, journal.Replayed == 0);
        }
    }

    [Fact]
    public void A_transpose_is_recorded_as_its_own()
    {
        Tensor entries = randn(3, 5, ScalarType.Float64).to(Here), u = randn(3, ScalarType.Float64).to(Here), v = randn(5, 2, ScalarType.Float64).to(Here);
        using MatrixOperator a = new(entries);
        for (int run = 0; run < 2; run++)
        {
            using ProductJournal journal = Open();
            JournalledOperator recorded = journal.Record(a, "matrix");
            Assert.True(a.Apply(v).Equals(recorded.Apply(v)));
            Assert.True(a.ApplyTranspose(u).Equals(recorded.ApplyTranspose(u)));
            Assert.Equal((3 * run, 3), (journal.Replayed, recorded.Products));
        }
    }

    private ProductJournal Open() => ProductJournal.Open(_folder.File("."), Job, _said.Add);

    /// <summary>What a run with a journal of its own gives: the numbers of the matrix alone, up to the order in which sums over another memory layout are taken.</summary>
    private double[] Uninterrupted()
    {
        using TemporaryFolder folder = new();
        using ProductJournal journal = ProductJournal.Open(folder.File("."), Job);
        double[] recorded = Measure(journal.Record(_a, "matrix"));
        Assert.All(Measure(_a).Zip(recorded), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
        return recorded;
    }

    private double[] Recorded(LinearOperator a)
    {
        using ProductJournal journal = Open();
        return Measure(journal.Record(a, "matrix"));
    }

    /// <summary>Probes, a block of Krylov runs, and a restarted iteration.</summary>
    private static double[] Measure(LinearOperator a)
    {
        using DisposeScope scope = NewDisposeScope();
        Estimate trace = new HutchinsonTrace { MaxProbes = 20, Seed = 1 }.Estimate(a).Total;
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 6, Runs = 3, Seed = 1 }.Estimate(a);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 3, BasisSize = 8, Seed = 1 }.Solve(a);
        return [trace.Value, trace.StandardError, .. density.Runs.SelectMany(run => run.Nodes.Concat(run.Weights)), .. pairs.Values.SelectMany(pair => (double[])[pair.Value, pair.Residual]), .. pairs.Vectors.to(ScalarType.Float64).flatten().cpu().data<double>().ToArray()];
    }

    /// <summary>A matrix that counts its products, and breaks off after some.</summary>
    private sealed class Counting(LinearOperator a, int most = int.MaxValue) : LinearOperator(a.Rows, a.Columns, a.IsSymmetric, a.DType, a.Device)
    {
        /// <summary>Products that were given out.</summary>
        public int Passed { get; private set; }

        public int Count(Func<LinearOperator, double[]> measure)
        {
            measure(this);
            return Passed;
        }

        protected override Tensor Multiply(Tensor V)
        {
            if (Passed + V.shape[1] > most)
            {
                throw new OperationCanceledException();
            }

            Passed += (int)V.shape[1];
            return a.Apply(V);
        }
    }
}
