using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// A step's direction from momentum inverses: a small network for digits trained along <c>L^-1 G R^-1</c>, updated by one vector a layer and side, beside plain gradient descent with the same
/// learning rate and lengths of steps.
/// </summary>
internal static class MkorTraining
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset digits = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        foreach (bool preconditioned in (bool[])[false, true])
        {
            double loss = Train(digits, preconditioned, epochs: options.Quick ? 1 : 5, cancellation);
            Console.WriteLine($"{(preconditioned ? "MKOR" : "gradient descent"),-16} loss {loss:F4}");
        }
    }

    private static double Train(Dataset digits, bool preconditioned, int epochs, CancellationToken cancellation)
    {
        manual_seed(1);
        using Linear fc1 = nn.Linear(64, 32), fc2 = nn.Linear(32, 10);
        ParameterSpace space = new([("fc1.weight", fc1.weight!), ("fc1.bias", fc1.bias!), ("fc2.weight", fc2.weight!), ("fc2.bias", fc2.bias!)]);
        using MkorFactors factors = new(MkorLayer.Of(space));
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            foreach (Batch batch in digits.Batches(64))
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope scope = NewDisposeScope();

                #region step
                Tensor s1 = fc1.call(batch.Inputs), h = s1.tanh(), s2 = fc2.call(h);
                s1.retain_grad();
                s2.retain_grad();
                Tensor loss = nn.functional.cross_entropy(s2, batch.Targets);
                loss.backward();

                // The mean input, and the mean over rows of N times the gradient of a mean loss: the sum.
                factors.Update("fc1", batch.Inputs.mean([0]), s1.grad!.sum(dim: 0));
                factors.Update("fc2", h.detach().mean([0]), s2.grad!.sum(dim: 0));

                Tensor gradient = space.Flatten([.. space.Parameters.Select(p => p.grad!)]);
                Tensor direction = preconditioned ? factors.Precondition(gradient) : gradient;
                #endregion

                using IDisposable noGrad = no_grad();
                foreach ((Tensor parameter, Tensor part) in space.Parameters.Zip(space.Split(direction)))
                {
                    parameter.sub_(part.mul(0.5));
                    parameter.grad = null;
                }
            }
        }

        using DisposeScope end = NewDisposeScope();
        using IDisposable still = no_grad();
        return nn.functional.cross_entropy(fc2.call(fc1.call(digits.Inputs).tanh()), digits.Targets).ToDouble();
    }
}
