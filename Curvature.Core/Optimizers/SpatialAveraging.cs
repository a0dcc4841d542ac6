namespace Curvature.Optimizers;

/// <summary>Over which entries of a parameter AdaHessian averages the diagonal of the Hessian.</summary>
public enum SpatialAveraging
{
    /// <summary>Each convolution kernel: a parameter of three or more dimensions over all but its first two. Others as they are. The paper's.</summary>
    Kernel,

    /// <summary>None.</summary>
    None,

    /// <summary>As <see cref="Kernel"/>, and each row of a matrix: its mean over the inputs. The official code for instruction tuning.</summary>
    KernelAndRows,

    /// <summary>Contiguous stretches of <see cref="AdaHessianOptions.BlockSize"/> entries of every parameter of two or more dimensions. The official translation code.</summary>
    Blocks,
}
