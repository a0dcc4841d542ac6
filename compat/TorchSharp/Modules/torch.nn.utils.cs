using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public static partial class utils
        {
            /// <summary>Scales all gradients by min(1, max_norm / (norm + 1e-6)); returns the norm over all of them together.</summary>
            public static double clip_grad_norm_(IEnumerable<Parameter> tensors, double max_norm, double norm_type = 2)
            {
                using IDisposable noGrad = no_grad();
                using DisposeScope scope = NewDisposeScope();
                List<Tensor> grads = tensors.Select(p => p.grad).OfType<Tensor>().ToList();
                if (grads.Count == 0) return 0;
                double norm = stack(grads.Select(g => g.norm((float)norm_type))).norm((float)norm_type).ToDouble();
                foreach (Tensor grad in grads) grad.mul_(Math.Min(1, max_norm / (norm + 1e-6)));
                return norm;
            }
        }
    }
}
