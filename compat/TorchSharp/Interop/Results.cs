namespace TorchSharp.Interop;

/// <summary>Ownership of what native calls return.</summary>
internal static unsafe class Results
{
    /// <summary>Wraps all tensors, lists included, in order; other results are skipped.</summary>
    internal static torch.Tensor[] TakeTensors(NativeVal* results, int count)
    {
        var tensors = new List<torch.Tensor>(count);
        for (var i = 0; i < count; i++)
        {
            if (results[i].Tag == ValTag.Tensor) tensors.Add(new torch.Tensor(results[i].Pointer));
            if (results[i].Tag != ValTag.Tensors) continue;
            tensors.AddRange(Wrap((IntPtr*)results[i].Pointer, results[i].Length));
            Native.cv_free(results[i].Pointer);
        }
        return [.. tensors];
    }

    /// <summary>Wraps an array of owned handles; null handles become invalid tensors.</summary>
    internal static torch.Tensor[] Wrap(IntPtr* handles, int count)
    {
        var tensors = new torch.Tensor[count];
        for (var i = 0; i < count; i++) tensors[i] = new torch.Tensor(handles[i]);
        return tensors;
    }

    /// <summary>Releases a result that nobody wants.</summary>
    internal static void Drop(in NativeVal result)
    {
        if (result.Tag == ValTag.Tensor) Native.cv_tensor_release(result.Pointer);
        if (result.Tag != ValTag.Tensors) return;
        for (var i = 0; i < result.Length; i++) Native.cv_tensor_release(((IntPtr*)result.Pointer)[i]);
        Native.cv_free(result.Pointer);
    }

    /// <summary>The borrowed handles of a list, 0 where there is no tensor; the caller keeps the tensors alive.</summary>
    internal static IntPtr[] Handles(IEnumerable<torch.Tensor?>? tensors) =>
        tensors is null ? [] : [.. tensors.Select(tensor => tensor is null || tensor.IsInvalid ? IntPtr.Zero : tensor.Handle)];
}
