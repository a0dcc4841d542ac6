using System.Runtime.InteropServices;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Interop;
using static TorchSharp.torch;

namespace Curvature.Compat;

/// <summary>The extensions over libtorch's C++ interface; Core finds this class by its name (<see cref="EngineExtensions"/>).</summary>
public sealed class LibtorchExtensions : IEngineExtensions
{
    private static readonly Lock Levels = new(); // the process has one level of tangents, whatever the thread

    /// <inheritdoc/>
    public Tensor? JacobianVectorProduct(Func<Tensor> function, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> tangents)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using Lock.Scope turn = Levels.EnterScope();
        Native.Check(Native.cv_forward_enter(out long level));
        try
        {
            for (int i = 0; i < inputs.Count; i++)
            {
                Native.Check(Native.cv_forward_set(inputs[i].Handle, tangents[i].Handle, level));
            }

            Tensor output = function();
            Native.Check(Native.cv_forward_get(output.Handle, level, out IntPtr tangent));
            GC.KeepAlive(output);
            return tangent == 0 ? null : new Tensor(tangent).MoveToOuterDisposeScope();
        }
        catch (Exception error) when (IsMissingRule(error))
        {
            throw new NotSupportedException(error.Message, error);
        }
        finally
        {
            // Takes the tangents back out of the inputs.
            Native.Check(Native.cv_forward_exit(level));
        }
    }

    private static bool IsMissingRule(Exception error) =>
        error is ExternalException or CurvatureException
        && (error.Message + error.InnerException?.Message).Contains("forward AD", StringComparison.Ordinal);
}
