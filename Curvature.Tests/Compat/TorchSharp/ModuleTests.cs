using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Curvature.Tests.Compat;

/// <summary>Names, registration, hooks and life of modules.</summary>
public sealed class ModuleTests
{
    [Fact]
    public void Fields_become_components_under_their_names()
    {
        using var net = new Net();

        Assert.Equal(["scale", "body.0.weight", "body.0.bias", "renamed.weight"], net.named_parameters().Select(p => p.name));
        Assert.Equal(["offset"], net.named_buffers().Select(b => b.name));
        Assert.Equal(["body", "renamed"], net.named_children().Select(c => c.name));
        Assert.Equal(["body", "renamed", "body.0", "body.1"], net.named_modules().Select(m => m.name));
        Assert.Equal(["scale", "body.0.weight", "body.0.bias", "renamed.weight", "offset"], net.state_dict().Keys);
        Assert.Equal(["scale"], net.named_parameters(recurse: false).Select(p => p.name));
    }

    [Fact]
    public void Private_fields_of_a_base_class_are_components_too()
    {
        using var net = new Deeper();

        Assert.Equal(["scale", "more.weight", "body.0.weight", "body.0.bias", "renamed.weight"],
            net.named_parameters().Select(p => p.name));
    }

    [Fact]
    public void A_name_is_given_once() => Assert.Throws<InvalidOperationException>(() => new Net().register_module("body", ReLU()));

    [Fact]
    public void Tied_parameters_are_listed_once_and_under_the_first_name()
    {
        var shared = new Parameter(Grid(2, 2));
        using var net = Sequential(("a", Linear(shared)), ("b", Linear(shared)));

        Assert.Equal(["a.weight"], net.named_parameters().Select(p => p.name));
        Assert.Single(net.parameters());
    }

    [Fact]
    public void Parameters_and_buffers_are_found_by_name()
    {
        using var net = new Net();

        Assert.Same(((Linear)((Sequential)net.children().First())[0]).weight, net.get_parameter("body.0.weight"));
        Assert.Equal(new long[] { 1 }, net.get_buffer("offset")!.shape);
        Assert.Null(net.get_parameter("nowhere"));
    }

    [Fact]
    public void Modes_reach_all_children()
    {
        using var net = new Net();
        Assert.True(net.training);

        net.eval();
        Assert.All(net.modules().Append(net), m => Assert.False(m.training));

        net.train();
        Assert.All(net.modules().Append(net), m => Assert.True(m.training));
    }

    [Fact]
    public void Apply_visits_children_before_their_parent()
    {
        var seen = new List<string>();

        Sequential(Linear(1, 1), Sequential(ReLU())).apply(m => seen.Add(m.GetType().Name));

        Assert.Equal(["Linear", "ReLU", "Sequential", "Sequential"], seen);
    }

    [Fact]
    public void Hooks_run_in_order_and_may_replace_values()
    {
        using var layer = Linear(new Parameter(eye(1, dtype: float64)));
        var order = new List<string>();
        layer.register_forward_hook((_, _, y) => Note("post", y + 1));
        layer.register_forward_hook(_ => order.Add("module post"));
        layer.register_forward_pre_hook((_, x) => Note("pre", x * 10));
        layer.register_forward_pre_hook(_ => order.Add("module pre"));

        Same([31], layer.call(tensor(new double[,] { { 3 } })));
        Assert.Equal(["module pre", "pre", "post", "module post"], order);
        Same([3], layer.forward(tensor(new double[,] { { 3 } })));
        Assert.Equal(4, order.Count);

        Tensor Note(string what, Tensor value)
        {
            order.Add(what);
            return value;
        }
    }

    [Fact]
    public void A_removed_hook_is_silent()
    {
        using var layer = Identity();
        int calls = 0;
        Action remove = layer.register_forward_hook(_ => calls++).remove;

        layer.call(ones(1));
        remove();
        layer.call(ones(1));

        Assert.Equal(1, calls);
    }

    [Fact]
    public void Losses_have_hooks_over_both_inputs()
    {
        using var loss = MSELoss();
        loss.register_forward_pre_hook((_, x, y) => (x, x));

        Same([0], loss.call(Grid(2), Grid(2) + 1));
    }

    [Fact]
    public void A_sequence_disposes_what_lies_between_its_layers()
    {
        var kept = new List<Tensor>();
        var first = Linear(2, 2);
        using var net = Sequential(first, Tanh(), Linear(2, 1));
        first.register_forward_hook((_, _, y) =>
        {
            kept.Add(y);
            return y.alias();
        });
        first.register_forward_hook((_, _, y) =>
        {
            kept.Add(y);
            return y;
        });
        var x = ones(1, 2);

        net.call(x).sum().backward();

        Assert.False(kept[0].IsInvalid);
        Assert.True(kept[1].IsInvalid);
        Assert.False(x.IsInvalid);
        Assert.NotNull(first.weight.grad);
    }

    [Fact]
    public void A_sequence_of_nothing_or_identities_gives_a_new_handle()
    {
        var x = Grid(2);

        using (var y = Sequential(Identity(), Identity()).call(x))
        {
            Assert.NotSame(x, y);
        }
        Same([-1.25, 0.5], x);
    }

    [Fact]
    public void A_sequence_counts_names_and_grows()
    {
        using var net = Sequential(ReLU()).append(Linear(1, 1)).append("last", Tanh());

        Assert.Equal(3, net.Count);
        Assert.IsType<Linear>(net[1]);
        Assert.Equal(["0", "1", "last"], net.named_children().Select(c => c.name));
    }

    [Fact]
    public void A_module_list_names_its_modules_by_position()
    {
        using var net = new Blocks();

        Assert.Equal(["blocks.0.weight", "blocks.1.weight"], net.named_parameters().Select(p => p.name));
        Assert.Equal(["blocks", "blocks.0", "blocks.1"], net.named_modules().Select(m => m.name));
        Same([4], net.call(ones(1, 1, dtype: float64)));
    }

    [Fact]
    public void Moving_replaces_parameters_and_buffers_and_keeps_gradients()
    {
        var layer = Sequential(("norm", BatchNorm1d(2)), ("linear", Linear(2, 1)));
        layer.call(Grid(3, 2).to(float32)).sum().backward();
        var old = layer.parameters().ToList();
        var mean = layer.get_buffer("norm.running_mean")!;

        layer.to(float64);

        Assert.All(old, p => Assert.True(p.IsInvalid));
        Assert.True(mean.IsInvalid);
        Assert.All(layer.parameters(), p => Assert.True(p.dtype == ScalarType.Float64 && p.is_leaf && p.requires_grad));
        Assert.Equal(ScalarType.Float64, layer.get_parameter("linear.weight")!.grad!.dtype);
        Assert.Equal(ScalarType.Float64, layer.get_buffer("norm.running_var")!.dtype);
        Assert.Equal(ScalarType.Int64, layer.get_buffer("norm.num_batches_tracked")!.dtype);
        layer.call(Grid(3, 2));
    }

    [Fact]
    public void Moving_reaches_the_fields_of_a_module()
    {
        using var net = new Net();

        net.to(float64);

        Assert.Equal(new long[] { 1, 1 }, net.call(Grid(1, 1)).shape);
        Assert.Equal(ScalarType.Float64, net.call(Grid(1, 1)).dtype);
    }

    [Fact]
    public void Moving_to_where_it_is_changes_nothing()
    {
        using var layer = Linear(1, 1);
        var weight = layer.weight;

        layer.to(float32).to(CPU).cpu();

        Assert.Same(weight, layer.weight);
        Assert.ThrowsAny<Exception>(() => layer.to(int64));
    }

    [Fact]
    public void Setting_a_weight_disposes_the_old_one()
    {
        using var layer = Linear(2, 1);
        var old = layer.weight;

        layer.weight = new Parameter(ones(1, 2));

        Assert.True(old.IsInvalid);
        Assert.Same(layer.weight, layer.named_parameters().First().parameter);
    }

    [Fact]
    public void Zero_grad_drops_gradients()
    {
        using var layer = Linear(2, 1);
        layer.call(ones(1, 2)).sum().backward();
        Assert.NotNull(layer.weight.grad);

        layer.zero_grad();

        Assert.Null(layer.weight.grad);
    }

    [Fact]
    public void Layers_outlive_the_scope_they_were_made_in_and_bare_parameters_do_not()
    {
        Linear linear;
        BatchNorm1d norm;
        Net net;
        using (NewDisposeScope())
        {
            linear = Linear(1, 1);
            norm = BatchNorm1d(1);
            net = new Net();
        }

        Assert.False(linear.weight.IsInvalid || linear.bias!.IsInvalid);
        Assert.False(norm.weight.IsInvalid || norm.running_mean!.IsInvalid || norm.num_batches_tracked!.IsInvalid);
        Assert.True(net.get_parameter("scale")!.IsInvalid);
    }

    [Fact]
    public void Disposing_a_module_disposes_all_below_it()
    {
        var net = new Net();
        var parts = net.parameters().Cast<Tensor>().Concat(net.named_buffers().Select(b => b.buffer)).ToList();

        net.Dispose();

        Assert.All(parts, t => Assert.True(t.IsInvalid));
    }

    private class Net : Module<Tensor, Tensor>
    {
        private readonly Parameter scale = new(ones(1));
        private readonly Tensor offset = zeros(1);
        private readonly Sequential body = Sequential(Linear(1, 1), Tanh());
        [ComponentName(Name = "renamed")]
        private readonly Linear last = Linear(1, 1, hasBias: false);

        public Net() : base("Net") => RegisterComponents();

        public override Tensor forward(Tensor input) => last.call((body.call(input) * scale) + offset);
    }

    private sealed class Deeper : Net
    {
        private readonly Linear more = Linear(1, 1, hasBias: false);

        public Deeper() => RegisterComponents();

        public override Tensor forward(Tensor input) => more.call(base.forward(input));
    }

    private sealed class Blocks : Module<Tensor, Tensor>
    {
        private readonly ModuleList<Linear> blocks = new(Twice(), Twice());

        public Blocks() : base("Blocks") => RegisterComponents();

        public override Tensor forward(Tensor input) => blocks.Aggregate(input, (x, block) => block.call(x));

        private static Linear Twice() => Linear(new Parameter(full(1, 1, 2, dtype: float64)));
    }
}
