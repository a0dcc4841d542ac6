using F = TorchSharp.torch.nn.functional;

namespace TorchSharp.Modules;

public sealed class ReLU : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal ReLU(bool inplace) : base(nameof(ReLU)) => this.inplace = inplace;

    public bool inplace { get; set; }

    public override torch.Tensor forward(torch.Tensor tensor) => F.relu(tensor, inplace);
}

public sealed class GELU : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal GELU() : base(nameof(GELU)) { }

    public override torch.Tensor forward(torch.Tensor tensor) => F.gelu(tensor);
}

public sealed class SiLU : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal SiLU() : base(nameof(SiLU)) { }

    public override torch.Tensor forward(torch.Tensor tensor) => F.silu(tensor);
}

public sealed class Sigmoid : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Sigmoid() : base(nameof(Sigmoid)) { }

    public override torch.Tensor forward(torch.Tensor tensor) => F.sigmoid(tensor);
}

public sealed class Tanh : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Tanh() : base(nameof(Tanh)) { }

    public override torch.Tensor forward(torch.Tensor tensor) => F.tanh(tensor);
}

public sealed class Softmax : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Softmax(long dim) : base(nameof(Softmax)) => this.dim = dim;

    public long dim { get; set; }

    public override torch.Tensor forward(torch.Tensor tensor) => F.softmax(tensor, dim);
}

public sealed class Identity : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Identity() : base(nameof(Identity)) { }

    public override torch.Tensor forward(torch.Tensor tensor) => tensor.alias();
}

/// <summary>In training mode, zeros with probability <see cref="p"/> and scales the rest by 1 / (1 - p).</summary>
public sealed class Dropout : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Dropout(double p, bool inplace) : base(nameof(Dropout)) => (this.p, this.inplace) = (p, inplace);

    public double p { get; set; }
    public bool inplace { get; set; }

    public override torch.Tensor forward(torch.Tensor tensor) => F.dropout(tensor, p, training, inplace);
}

public sealed class Flatten : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal Flatten(long start_dim, long end_dim) : base(nameof(Flatten)) => (this.start_dim, this.end_dim) = (start_dim, end_dim);

    public long start_dim { get; set; }
    public long end_dim { get; set; }

    public override torch.Tensor forward(torch.Tensor input) => input.flatten(start_dim, end_dim);
}
