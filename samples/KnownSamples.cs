namespace Curvature.Samples;

/// <summary>The samples, by name.</summary>
internal static class KnownSamples
{
    public static IReadOnlyList<Sample> All { get; } =
    [
        new("hessian-vector-product", "A checkpoint's curvature in twelve lines: trace, top eigenvalues (README)", HessianVectorProduct.Run),
        new("exact-versus-estimate", "Estimates and their error bars beside the exact Hessian of the digits network", ExactVersusEstimate.Run),
        new("estimators-compared", "Every trace and diagonal estimator at equal products, beside the exact numbers", EstimatorsCompared.Run),
        new("ggn-versus-hessian", "Hessian, Gauss-Newton and Fisher matrices side by side, and what the first has beyond the second", GgnVersusHessian.Run),
        new("fisher-variants", "Fisher matrices drawn from the model and from the data, and how far they are from the Gauss-Newton matrix", FisherVariants.Run),
        new("outputs-and-activations", "The Jacobian, its tangent kernel, and the Hessian in a layer's activations", OutputsAndActivations.Run),
        new("closure-objective", "Any function as an objective: the Rosenbrock valley", ClosureObjective.Run),
        new("damped-newton-step", "Linear systems and eigenpairs: every solver on a damped Newton step of the digits network", DampedNewtonStep.Run),
        new("eigensolvers", "The same eigenpairs by every eigensolver, and both ends of the spectrum", Eigensolvers.Run),
        new("norms-and-density", "Norms, log-determinant, effective dimension and density of one matrix, with their errors", NormsAndDensity.Run),
        new("exact-traces", "Each layer's trace from per-sample gradients, without error bars", ExactTraces.Run),
        new("kronecker-factors", "KFAC, EKFAC and nearest Kronecker products beside the exact Gauss-Newton matrix", KroneckerFactors.Run),
        new("kfac-preconditioner", "The inverse of KFAC in conjugate gradients and in natural-gradient steps", KfacPreconditioner.Run),
        new("laplace-posteriors", "What a network does not know: Laplace posteriors by KFAC, diagonal and last layer", LaplacePosteriors.Run),
        new("mfac-products", "Inverses from gradients alone: products with their error, as a preconditioner, over a training run", MfacProducts.Run),
        new("obs-pruning", "A LeNet on Fashion-MNIST at 90 % zeros: Optimal Brain Surgeon beside magnitude", ObsPruning.Run),
        new("influence-functions", "What each training point does to a test loss, checked by training without it", InfluenceFunctions.Run),
        new("mkor-training", "Steps along momentum inverses that rank-1 updates keep, beside gradient descent", MkorTraining.Run),
        new("bit-width-plans", "Bits for the layers of a ResNet18: exact plans, the Pareto frontier, other searches", BitWidthPlans.Run),
        new("network-plans", "From a checkpoint to a measured plan: the digits network's sensitivities by every method, and what they lead to", NetworkPlans.Run),
        new("quantization-study", "Bits for the layers of two networks by every sensitivity, measured on test images (docs/studies)", QuantizationStudy.Run),
        new("quantization-without-training", "Weights and activations of the digits network at few bits: rounded, calibrated by AdaQuant, planned and tuned", QuantizationWithoutTraining.Run),
        new("diagonal-optimizers", "AdaHessian and Sophia-G beside AdamW on the digits network: losses by steps and by seconds", DiagonalOptimizers.Run),
        new("optimizer-study", "All optimizers at the same budget on three problems, by steps and by seconds (docs/studies)", OptimizerStudy.Run),
        new("optimizer-times", "Times the steps of all optimizers of the study in turns", OptimizerTimes.Run),
        new("mfac-training", "M-FAC as an optimizer on the digits network, over backward() or over the loss, beside AdamW", MfacTraining.Run),
        new("sharpness-measures", "How large a step a network bears: stable rates, curvature along steps, within a radius and in mini-batches", SharpnessMeasures.Run),
        new("weight-decay-tuning", "A weight decay for each layer by hypergradients, checked by training again, with several inverses", WeightDecayTuning.Run),
        new("stability-limits", "What mini-batches leave of the largest stable rate: the exact mean-square threshold, and the law of random matrices by batch size", StabilityLimits.Run),
        new("edge-of-stability", "Full-batch gradient descent at three learning rates: the sharpness rises to 2 / eta and stays there", EdgeOfStabilityTraining.Run),
        new("watched-training", "A monitor in a training loop: sharpness, trace, batch sharpness and alignment, into a file of JSON lines", WatchedTraining.Run),
        new("landscape-slices", "The loss along lines, over planes, between two networks and over a training run, with their figures", LandscapeSlices.Run),
        new("opposing-groups", "Digits whose losses move against each other at a sharp step, and their share of the sharpness", OpposingGroups.Run),
        new("domain-alignment", "Turned digits as domains: the distance of their head Hessians, and training that aligns them", DomainAlignment.Run),
        new("width-transfer", "Sharpness against width over training, under muP and under the standard parametrisation (docs/guide/width.md)", WidthTransfer.Run),
        new("kronecker-optimizers", "KFAC, EKFAC and MKOR beside AdamW on the digits network: losses by steps and by seconds", KroneckerOptimizers.Run),
        new("hessian-free", "Hessian-free steps on the digits network: damping, products and the loss, beside AdamW at as many gradients", HessianFreeTraining.Run),
        new("lanczos-rates", "Learning rate and momentum from the Hessian's spectrum, refreshed on the fly, beside fixed ones", LanczosRateTraining.Run),
        new("train-digits", "Trains the digits network that the demo reports on", TrainDigits.Run),
        new("train-fashion-mnist", "Trains a LeNet on Fashion-MNIST: a checkpoint of real size", TrainFashionMnist.Run),
    ];
}
