using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TorchSharp.Interop;

/// <summary>The C ABI of native/ (abi.h states its conventions): one declaration for each exported function, in the order of the sources.</summary>
internal static unsafe partial class Native
{
    internal const string Library = "curvature_torch";

    // dispatch.cpp
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int cv_op_find(string name, string overload, out IntPtr op);
    [LibraryImport(Library)] internal static partial int cv_call(IntPtr op, NativeVal* args, int n, NativeVal* results, int max, out int count);

    // tensor.cpp. The getters do no more than read a field or two: they skip the switch to unmanaged mode (5 ns instead of 15).
    [LibraryImport(Library)] internal static partial void cv_tensor_release(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial IntPtr cv_tensor_retain(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial long cv_tensor_numel(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int cv_tensor_dim(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int cv_tensor_dtype(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial long cv_tensor_device(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int cv_tensor_requires_grad(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial void cv_tensor_sizes(IntPtr tensor, long* sizes);
    [LibraryImport(Library)] internal static partial int cv_tensor_strides(IntPtr tensor, long* strides, out long offset);
    [LibraryImport(Library)] internal static partial int cv_tensor_data(IntPtr tensor, out IntPtr data);
    [LibraryImport(Library)] internal static partial int cv_tensor_fact(IntPtr tensor, TensorFact fact, out int answer);
    [LibraryImport(Library)] internal static partial int cv_tensor_from(void* data, long* sizes, int dim, int dtype, out IntPtr result);
    [LibraryImport(Library)]
    internal static partial int cv_tensor_wrap(IntPtr data, long* sizes, int dim, int dtype, delegate* unmanaged<IntPtr, void> release, IntPtr context, out IntPtr result);
    [LibraryImport(Library)] internal static partial int cv_tensor_read(IntPtr tensor, void* target, long bytes);
    [LibraryImport(Library)] internal static partial int cv_tensor_item(IntPtr tensor, out long integer, out double real, out int isInt);

    // autograd.cpp
    [LibraryImport(Library)] internal static partial int cv_set_requires_grad(IntPtr tensor, int value);
    [LibraryImport(Library)] internal static partial int cv_tensor_grad(IntPtr tensor, out IntPtr grad);
    [LibraryImport(Library)] internal static partial int cv_set_tensor_grad(IntPtr tensor, IntPtr grad);
    [LibraryImport(Library)] internal static partial int cv_retain_grad(IntPtr tensor);
    [LibraryImport(Library), SuppressGCTransition] internal static partial int cv_grad_mode();
    [LibraryImport(Library), SuppressGCTransition] internal static partial void cv_set_grad_mode(int enabled);
    [LibraryImport(Library)] internal static partial int cv_inference_mode();
    [LibraryImport(Library)] internal static partial IntPtr cv_inference_enter(int enabled);
    [LibraryImport(Library)] internal static partial void cv_inference_exit(IntPtr mode);
    [LibraryImport(Library)]
    internal static partial int cv_grad(IntPtr[] outputs, int nOutputs, IntPtr[] inputs, int nInputs, IntPtr[] gradOutputs, int nGradOutputs, int retain, int create, int allowUnused, IntPtr* results);
    [LibraryImport(Library)]
    internal static partial int cv_backward(IntPtr[] tensors, int nTensors, IntPtr[] grads, int nGrads, int retain, int create, IntPtr[] inputs, int nInputs);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial void cv_report_error(string message);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int cv_node_new(string name, IntPtr context, delegate* unmanaged<IntPtr, IntPtr*, int, IntPtr*, int, int> backward,
        delegate* unmanaged<IntPtr, void> release, IntPtr[] inputs, int nInputs, out IntPtr node, out IntPtr raw);
    [LibraryImport(Library)] internal static partial int cv_node_attach(IntPtr node, IntPtr[] outputs, int nOutputs, IntPtr* results);
    [LibraryImport(Library)] internal static partial int cv_node_save(IntPtr node, IntPtr[] tensors, int n);
    [LibraryImport(Library)] internal static partial int cv_node_saved(IntPtr raw, IntPtr* results);
    [LibraryImport(Library)] internal static partial void cv_node_drop(IntPtr node);

    // forward.cpp
    [LibraryImport(Library)] internal static partial int cv_forward_enter(out long level);
    [LibraryImport(Library)] internal static partial int cv_forward_exit(long level);
    [LibraryImport(Library)] internal static partial int cv_forward_set(IntPtr tensor, IntPtr tangent, long level);
    [LibraryImport(Library)] internal static partial int cv_forward_get(IntPtr tensor, long level, out IntPtr tangent);

    // jit.cpp
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int cv_jit_load(string path, long device, out IntPtr result);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)] internal static partial int cv_jit_save(IntPtr self, string path);
    [LibraryImport(Library)] internal static partial void cv_jit_free(IntPtr self);
    [LibraryImport(Library)] internal static partial int cv_jit_train(IntPtr self, int on);
    [LibraryImport(Library)] internal static partial int cv_jit_training(IntPtr self, out int on);
    [LibraryImport(Library)] internal static partial int cv_jit_to(IntPtr self, int dtype, long device);
    [LibraryImport(Library)] internal static partial int cv_jit_list(IntPtr self, JitPart part, out IntPtr names, out IntPtr* handles, out int count);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int cv_jit_call(IntPtr self, string method, NativeVal* args, int n, NativeVal* results, int max, out int count);

    // system.cpp
    [LibraryImport(Library)] internal static partial IntPtr cv_last_error();
    [LibraryImport(Library)] internal static partial void cv_free(IntPtr memory);
    [LibraryImport(Library)] internal static partial int cv_torch_version();
    [LibraryImport(Library)] internal static partial int cv_manual_seed(ulong seed);
    [LibraryImport(Library)] internal static partial int cv_generator(long device, int fresh, out IntPtr generator);
    [LibraryImport(Library)] internal static partial void cv_generator_release(IntPtr generator);
    [LibraryImport(Library)] internal static partial int cv_generator_seed(IntPtr generator, ulong seed);
    [LibraryImport(Library)] internal static partial int cv_generator_initial_seed(IntPtr generator, out ulong seed);
    [LibraryImport(Library)] internal static partial int cv_generator_state(IntPtr generator, out IntPtr state);
    [LibraryImport(Library)] internal static partial int cv_generator_set_state(IntPtr generator, IntPtr state);
    [LibraryImport(Library)] internal static partial int cv_get_threads();
    [LibraryImport(Library)] internal static partial int cv_set_threads(int count);
    [LibraryImport(Library)] internal static partial int cv_cuda_count();
    [LibraryImport(Library)] internal static partial int cv_get_tf32(int cudnn);
    [LibraryImport(Library)] internal static partial void cv_set_tf32(int cudnn, int on);
    [LibraryImport(Library)] internal static partial void cv_enable_flash_sdp(int on);

    /// <summary>Turns the result code of a call into an exception with libtorch's own message.</summary>
    internal static void Check(int code)
    {
        if (code != 0) Throw();
    }

    // Apart from Check, so that Check is small enough to be inlined.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Throw()
    {
        var message = Marshal.PtrToStringUTF8(cv_last_error()) ?? "";
#pragma warning disable CA2201 // The type that TorchSharp throws, and that its users catch.
        throw new ExternalException(message, torch.autograd.TakeCallbackException());
#pragma warning restore CA2201
    }

    /// <summary>Reads and frees text that the library handed out.</summary>
    internal static string TakeText(IntPtr text)
    {
        var result = Marshal.PtrToStringUTF8(text) ?? "";
        cv_free(text);
        return result;
    }
}

/// <summary>Questions about a tensor that are rarely asked, so that they share one entry point.</summary>
internal enum TensorFact { IsLeaf, IsContiguous, IsSparse }

/// <summary>What to list of a TorchScript module.</summary>
internal enum JitPart { Parameters, Buffers, Modules, Children }
