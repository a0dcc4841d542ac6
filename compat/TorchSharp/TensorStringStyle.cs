namespace TorchSharp;

/// <summary>How tensors print in TorchSharp; here there is one style, libtorch's.</summary>
public enum TensorStringStyle
{
    Metadata = 0,
    Julia = 1,
    Numpy = 2,
    CSharp = 3,
    Default = 4,
}
