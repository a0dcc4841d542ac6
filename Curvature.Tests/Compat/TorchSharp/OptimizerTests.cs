using TorchSharp.Modules;
using Xunit;
using static Curvature.Tests.Compat.Oracle;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Trajectories and schedules of PyTorch, to rounding; files and groups.</summary>
public sealed class OptimizerTests
{
    [Fact]
    public void Gradient_descent_follows_PyTorch()
    {
        Same([0.5466733416021329, -1.2273299085184022, 0.10985158692816464], Run(p => optim.SGD(p, 0.1)));
        Same([0.015643501332588246, -0.37014541028629344, -0.33108411457426895],
            Run(p => optim.SGD(p, 0.1, 0.9, dampening: 0.1, weight_decay: 0.01)));
        Same([-0.10736333290933393, 0.07506237837923138, -0.22189980957703845], Run(p => optim.SGD(p, 0.1, 0.9, nesterov: true)));
        Same([0.3187285519431748, -0.8319281413080019, -0.06349543259099999], Run(p => optim.SGD(p, 0.1, 0.5, maximize: true), sign: -1));
    }

    [Fact]
    public void Adam_follows_PyTorch()
    {
        Same([0.6056149824480299, -1.6001463365604898, 0.11393662034801787], Run(p => optim.Adam(p, 0.1)));
        Same([0.6062780385620395, -1.6004134581060585, 0.11536705089164599], Run(p => optim.Adam(p, 0.1, 0.8, 0.9, 1e-3, 0.05)));
        Same([-0.13493897388411843, 0.18240734733807373, 0.059325021514437665], Run(p => optim.Adam(p, 0.5, 0.5, 0.6, amsgrad: true), 6));
    }

    [Fact]
    public void AdamW_follows_PyTorch()
    {
        Same([0.5729646247406611, -1.5273622287185298, 0.1012909114011949], Run(p => optim.AdamW(p, 0.1, weight_decay: 0.1)));
        Same([-0.08450022679075064, 0.15394193393527528, 0.03675064771819546],
            Run(p => optim.AdamW(p, 0.5, 0.5, 0.6, weight_decay: 0.2, amsgrad: true, maximize: true), 6, -1));
    }

    public static TheoryData<string, Func<Parameter[], OptimizerHelper>> Kinds => new()
    {
        { "SGD", p => optim.SGD(p, 0.1, 0.9) },
        { "Adam", p => optim.Adam(p, 0.1, amsgrad: true) },
        { "AdamW", p => optim.AdamW(p, 0.1, weight_decay: 0.1) },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_saved_state_goes_on_where_it_stopped(string name, Func<Parameter[], OptimizerHelper> make)
    {
        Parameter whole = Start(), half = Start();
        using OptimizerHelper straight = make([whole]), first = make([half]), second = make([half]);
        Steps(straight, whole, 6);
        Steps(first, half, 3);

        using var file = new MemoryStream();
        first.save_state_dict(new BinaryWriter(file));
        file.Position = 0;
        second.load_state_dict(new BinaryReader(file));
        Assert.Equal(file.Length, file.Position);
        Steps(second, half, 3);

        Assert.StartsWith(name, System.Text.Encoding.Latin1.GetString(file.ToArray())[1..], StringComparison.Ordinal);
        Same(whole.data<double>().ToArray(), half, 0);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_copied_state_goes_on_as_well(string name, Func<Parameter[], OptimizerHelper> make)
    {
        Assert.NotEmpty(name);
        Parameter whole = Start(), half = Start();
        using OptimizerHelper straight = make([whole]), second = make([half]);
        Steps(straight, whole, 6);
        using (OptimizerHelper first = make([half]))
        {
            Steps(first, half, 3);
            second.load_state_dict(first.state_dict());
        }

        Steps(second, half, 3);

        Same(whole.data<double>().ToArray(), half, 0);
    }

    [Fact]
    public void A_state_file_holds_type_groups_options_and_states()
    {
        var p = new Parameter(ones(2, dtype: float64));
        using var sgd = optim.SGD([p], 0.5, 0.25);
        p.sum().backward();
        sgd.step();

        using var file = new MemoryStream();
        sgd.save_state_dict(new BinaryWriter(file));

        Assert.Equal(
            "0353474401" + "01" + "000000000000E03F" + "000000000000E03F" + "000000000000D03F" + "0000000000000000"
            + "0000000000000000" + "0000" + "01070102" + "000000000000F03F" + "000000000000F03F",
            Convert.ToHexString(file.ToArray()));
    }

    [Fact]
    public void A_state_file_of_another_optimizer_is_refused()
    {
        var p = Start();
        using var file = new MemoryStream();
        optim.SGD([p], 0.5).save_state_dict(new BinaryWriter(file));
        file.Position = 0;

        Assert.ThrowsAny<Exception>(() => optim.Adam([p]).load_state_dict(new BinaryReader(file)));
    }

    [Fact]
    public void A_step_returns_the_loss_of_its_closure_and_skips_parameters_without_gradient()
    {
        Parameter p = Start(), unused = Start();
        using var sgd = optim.SGD([p, unused], 0.1);

        var loss = sgd.step(() =>
        {
            var value = p.sum();
            value.backward();
            return value;
        });

        Same([-0.5], loss);
        Same([0.9, -2.1, 0.4], p);
        Same([1, -2, 0.5], unused);
    }

    [Fact]
    public void Zero_grad_keeps_zeros()
    {
        var p = Start();
        using var sgd = optim.SGD([p], 0.1);
        p.sum().backward();

        sgd.zero_grad();

        Same([0, 0, 0], p.grad!);
    }

    [Fact]
    public void Groups_tell_and_take_the_learning_rate()
    {
        using var adam = optim.Adam([Start()], 0.3, 0.8, 0.9);
        var group = adam.ParamGroups.Single();

        Assert.Equal((0.3, 0.3), (group.LearningRate, group.InitialLearningRate));
        Assert.Equal((0.8, 0.9), adam.Betas);
        group.LearningRate = 0.1;
        Assert.Equal((0.1, 0.3), (group.LearningRate, group.InitialLearningRate));
        Assert.Single(adam.parameters());
    }

    [Fact]
    public void State_outlives_the_dispose_scope_of_a_step_and_parameters_outlive_the_optimizer()
    {
        var p = Start();
        using (var adam = optim.Adam([p], 0.1))
        {
            for (int i = 0; i < 2; i++)
            {
                using var scope = NewDisposeScope();
                Steps(adam, p, 2);
            }
        }

        Same([0.6056149824480299, -1.6001463365604898, 0.11393662034801787], p);
    }

    [Fact]
    public void Training_leaves_no_handles_behind()
    {
        using var net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.1), nn.Linear(4, 1));
        using var adam = optim.Adam(net.parameters(), amsgrad: true);
        using var loss = nn.MSELoss();
        using Tensor x = randn(8, 2), y = randn(8, 1);
        Train();
        long before = Tensor.TotalCount;

        for (int i = 0; i < 20; i++)
        {
            Train();
        }

        Assert.InRange(Tensor.TotalCount, 0, before);

        void Train()
        {
            using var scope = NewDisposeScope();
            adam.zero_grad();
            loss.call(net.call(x), y).backward();
            nn.utils.clip_grad_norm_(net.parameters(), 1);
            adam.step();
        }
    }

    [Fact]
    public void StepLR_is_PyTorchs() => Schedule([0.2, 0.2, 0.1, 0.1, 0.05, 0.05], o => optim.lr_scheduler.StepLR(o, 2, 0.5));

    [Fact]
    public void CosineAnnealingLR_is_PyTorchs() => Schedule(
        [0.2, 0.172175144212722, 0.10499999999999998, 0.03782485578727799, 0.01, 0.03782485578727798, 0.10500000000000001,
            0.1721751442127221, 0.2000000000000001, 0.17217514421272212],
        o => optim.lr_scheduler.CosineAnnealingLR(o, 4, 0.01));

    [Fact]
    public void Clipping_scales_the_joint_norm()
    {
        Parameter p = Start(), q = Start();
        ((p * tensor(new double[] { 3, 0, 0 })).sum() + (q * 4).sum()).backward();

        double norm = nn.utils.clip_grad_norm_([p, q], 1);

        Assert.Equal(Math.Sqrt(9 + 48), norm, 5);
        Assert.Equal(1, Math.Sqrt(p.grad!.square().sum().item<double>() + q.grad!.square().sum().item<double>()), 5);
    }

    [Fact]
    public void An_optimizer_can_be_written_outside()
    {
        Parameter p = Start(), q = Start();
        using var optimizer = new SignDescent([p], [q], 0.25);

        Steps(optimizer, p, 3);

        Same([0.25, -1.25, 0], p);
        Same([1, -2, 0.5], q);
        Assert.Equal([0.25, 0.125], optimizer.ParamGroups.Select(group => group.LearningRate));
        Assert.Equal(3, optimizer.StepsOf(p));
        Assert.Equal(0, optimizer.StepsOf(q));
        Assert.Equal(2, optimizer.state_dict().State.Count);
    }

    /// <summary>theta -= lr sign(g), as a user of the library would write it.</summary>
    private sealed class SignDescent : OptimizerHelper
    {
        public SignDescent(IEnumerable<Parameter> first, IEnumerable<Parameter> second, double lr)
        {
            _defaults = new OptimizerOptions { LearningRate = lr };
            _parameter_groups = new List<ParamGroup>();
            add_param_group(new ParamGroup<OptimizerOptions>(first, new OptimizerOptions()));
            add_param_group(new ParamGroup<OptimizerOptions>(second, new OptimizerOptions { LearningRate = lr / 2 }));
        }

        public int StepsOf(Parameter parameter) => ((Count)_state[parameter.Handle]).Steps;

        public override void add_param_group(ParamGroup param_group)
        {
            param_group.Options.LearningRate ??= _defaults.LearningRate;
            param_group.Options.InitialLearningRate = param_group.LearningRate;
            param_group.Parameters = param_group.Parameters.ToList();
            _parameter_groups.Add(param_group);
            foreach (var parameter in param_group.Parameters)
            {
                _state[parameter.Handle] = new Count(parameter);
            }
        }

        public override Tensor step(Func<Tensor>? closure = null) => _step<ParamGroup>(group =>
        {
            foreach (var parameter in group.Parameters)
            {
                if (parameter.grad is { } gradient)
                {
                    parameter.add_(gradient.sign(), -group.LearningRate);
                    ((Count)_state[parameter.Handle]).Steps++;
                }
            }
        }, closure!);

        private sealed class Count(Parameter parameter) : OptimizerState(parameter)
        {
            public int Steps { get; set; }

            public override void Initialize(OptimizerOptions options) => Steps = 0;

            public override void LoadStateDict(BinaryReader reader) => Steps = reader.ReadInt32();

            public override void LoadStateDict(OptimizerState source) => Steps = ((Count)source).Steps;

            public override void SaveStateDict(BinaryWriter writer) => writer.Write(Steps);
        }
    }

    private static Parameter Start() => new(tensor(new[] { 1, -2, 0.5 }));

    private static Parameter Run(Func<Parameter[], optim.Optimizer> make, int steps = 4, double sign = 1)
    {
        var p = Start();
        using var optimizer = make([p]);
        Steps(optimizer, p, steps, sign);
        return p;
    }

    private static void Steps(optim.Optimizer optimizer, Parameter p, int steps, double sign = 1)
    {
        using var a = tensor(new double[] { 1, 2, 3 });
        for (int i = 0; i < steps; i++)
        {
            optimizer.zero_grad();
            (((a * p * p).sum() * (sign / 2)) + (p.pow(3).sum() * (sign / 6))).backward();
            optimizer.step();
        }
    }

    private static void Schedule(double[] expected, Func<optim.Optimizer, optim.lr_scheduler.LRScheduler> make)
    {
        using var sgd = optim.SGD([Start()], 0.2);
        var scheduler = make(sgd);
        var rates = new List<double>();
        foreach (double _ in expected)
        {
            rates.Add(sgd.ParamGroups.Single().LearningRate);
            Assert.Equal(rates[^1], scheduler.get_last_lr().Single());
            scheduler.step();
        }

        Same(expected, tensor(rates.ToArray()), 1e-14);
    }
}
