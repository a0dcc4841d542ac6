using System.Diagnostics;
using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Curvature.Samples;

/// <summary>The training loop that the training samples share: mini-batches in random order, Adam with a falling learning rate.</summary>
internal static class Classification
{
    /// <summary>Minimises the mean cross entropy; leaves the model in evaluation mode. A line of progress after an epoch, at most one a second.</summary>
    public static void Train(nn.Module<Tensor, Tensor> model, Dataset train, Dataset test, int epochs, double learningRate, CancellationToken cancellation)
    {
        const int BatchSize = 64;
        long start = Stopwatch.GetTimestamp();
        double reported = 0;
        Console.WriteLine($"{train.Count:N0} examples to train on, {test.Count:N0} to test with");
        using optim.Optimizer optimizer = optim.Adam(model.parameters(), learningRate);
        for (int epoch = 1; epoch <= epochs; epoch++)
        {
            // A straight line to zero: the last steps settle, so that the accuracy does not depend on where the noise ends.
            foreach (optim.ILearningRateController group in optimizer.ParamGroups)
            {
                group.LearningRate = learningRate * (epochs - epoch + 1) / epochs;
            }

            model.train();
            using Tensor order = randperm(train.Count);
            double loss = 0;
            for (long at = 0; at < train.Count; at += BatchSize)
            {
                cancellation.ThrowIfCancellationRequested();
                loss += Step(model, optimizer, train, order[(int)at..(int)Math.Min(at + BatchSize, train.Count)]);
            }

            model.eval();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (epoch == epochs || seconds > reported + 1)
            {
                reported = seconds;
                Console.WriteLine($"epoch {epoch,2}/{epochs}: training loss {loss / train.Count:F4}, test accuracy {Accuracy(model, test):P2}, {seconds:F0} s");
            }
        }
    }

    /// <summary>Share of the examples whose highest score is the right one.</summary>
    public static double Accuracy(nn.Module<Tensor, Tensor> model, Dataset data)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long right = data.Batches(1000).Sum(batch => (model.call(batch.Inputs).argmax(1) == batch.Targets).sum().ToInt64());
        return (double)right / data.Count;
    }

    /// <summary>Writes the weights, whole or not at all: to the place asked for, or else the sample's own; when quick, to a file that is deleted again.</summary>
    public static void Save(nn.Module<Tensor, Tensor> model, SampleOptions options, string place)
    {
        bool temporary = options.Quick && options.Out is null;
        string path = temporary ? Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()) : options.Out ?? place;
        SafetensorsFile.Write(path, model.state_dict().Select(entry => (entry.Key, entry.Value)));
        if (temporary)
        {
            File.Delete(path);
        }

        Console.WriteLine($"wrote {path}{(temporary ? " and deleted it again" : "")}");
    }

    /// <summary>One step; returns the batch's summed loss.</summary>
    private static double Step(nn.Module<Tensor, Tensor> model, optim.Optimizer optimizer, Dataset data, Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor loss = cross_entropy(model.call(data.Inputs.index_select(0, rows)), data.Targets.index_select(0, rows));
        optimizer.zero_grad();
        loss.backward();
        optimizer.step();
        return loss.ToDouble() * rows.shape[0];
    }
}
