using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Cli;

public class UsageErrorTests
{
    private const string Given = "measure trace model.pt --data data.npz --loss mse";

    [Theory]
    [InlineData("", "Required command was not provided")]
    [InlineData("", "Commands: demo, report, measure, prune, plan, quantize, inspect")]
    [InlineData("mesure trace m.pt --data d.npz --json", "error: Unrecognized command or argument 'mesure': did you mean measure? Commands: demo, report, measure, prune, plan, quantize, inspect. See")]
    [InlineData("measure trce m.pt --data d.npz", "error: Unrecognized command or argument 'trce': did you mean trace? Commands: trace, eigs,")]
    [InlineData("sharpen m.pt", "error: Unrecognized command or argument 'sharpen'. Commands: demo,")]
    [InlineData(Given + " --estimtor hutch++", "error: Unrecognized command or argument '--estimtor': did you mean --estimator? See")]
    [InlineData("measure --json trace m.pt --data d.npz --loss mse", "error: Options belong behind the command: curvature measure trace ... --json. See")]
    [InlineData("measure --data d.npz --loss mse trace m.pt", "error: Options belong behind the command: curvature measure trace ... --data ... --loss. See")]
    [InlineData("--seed=3 measure trace m.pt --data d.npz --loss mse", "error: Options belong behind the command: curvature measure trace ... --seed. See")]
    [InlineData("measure --jsn trace m.pt --data d.npz --loss mse", "error: Unrecognized command or argument '--jsn': did you mean --json? See")]
    [InlineData("measure trace --estimtor hutch++ m.pt --data d.npz --loss mse", "error: '--estimtor' is no option of measure trace: did you mean --estimator? A file of that name is ./--estimtor. See")]
    [InlineData("measure trace --estimtor=hutch++ --data d.npz --loss mse", "error: '--estimtor=hutch++' is no option of measure trace: did you mean --estimator? A file")]
    [InlineData("plan --tabel t.json --limit avg-bits=4", "'--tabel' is no option of plan: did you mean --table?")]
    [InlineData("inspect --frobnicate a.npz", "error: '--frobnicate' is no option of inspect. A file of that name is ./--frobnicate. See")]
    [InlineData("plan --limit avg-bits=4", "Expected a MODEL, or --table")]
    [InlineData("plan m.pt --table t.json --limit avg-bits=4", "--table stands in the place of a MODEL")]
    [InlineData("plan m.pt --loss mse --limit avg-bits=4", "'--data' is required")]
    [InlineData("plan m.pt --data d.npz --limit avg-bits=4", "'--loss' is required")]
    [InlineData("plan --table t.json --data d.npz --limit avg-bits=4", "--data belongs to a MODEL; with --table there is none")]
    [InlineData("plan --table t.json --sensitivity kfac --limit avg-bits=4", "--sensitivity belongs to a MODEL")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --accuracy 99%", "--accuracy stands in the place of --limit")]
    [InlineData("plan m.pt --data d.npz --loss mse --accuracy 101", "--accuracy 101: expected a percentage above 0 and up to 100")]
    [InlineData("plan --table t.json --limit avg-bits=4 --search pairwise", "add --sensitivity quadratic")]
    [InlineData("plan --table t.json --accuracy 99%", "--accuracy belongs to a MODEL")]
    [InlineData("plan --table t.json --limit avg-bits=4 --group a=x", "--group a=x: expected NAME=LAYER,LAYER")]
    [InlineData("quantize m.pt --data d.npz --out q.pt", "'--plan' is required")]
    [InlineData("quantize m.pt --plan p.json --out q.pt", "'--data' is required")]
    [InlineData("plan --table t.json", "'--limit' is required")]
    [InlineData("plan --table t.json --limit size=7Q", "--limit size=7Q: 'size=7Q' is no limit. Expected size=7.5MB")]
    [InlineData("plan --table t.json --limit avg-bits=4 --fix conv1", "--fix conv1: expected LAYER=BITS, such as conv1=8")]
    [InlineData("plan --table t.json --limit avg-bits=4 --bits 4,4", "--bits 4,4: expected different widths from 1 to 32")]
    [InlineData("plan --table t.json --limit avg-bits=4 --search random", "--search random: expected one of exact, greedy, monotone")]
    [InlineData("plan --table t.json --limit avg-bits=4 --draws 0", "--draws 0: expected a whole number from 1 to 100000")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --fix a=4 --fix b=8 --fix a=8", "--fix a=8: it is fixed at 4 bits already")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --fix a=16", "--fix a=16: expected 2 to 8 bits, or 32 for floating point")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --activations 1", "--activations 1: expected different widths from 2 to 8")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --activations 4,8", "--activations: several widths are chosen from within a limit; add --activation-limit")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --activations 4 --activation-limit avg-bits=4", "--activations has one width")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --activation-limit avg-bits=4", "--activation-limit chooses among the widths of --activations")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --activations 4,8 --activation-limit bops=50%", "--activation-limit bops=50%: expected avg-bits=4")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --search frontier", "--search frontier: it finds how small a plan can be that keeps an --accuracy")]
    [InlineData("plan m.pt --data d.npz --loss cross-entropy --accuracy 99% --unverified", "--unverified: the plan of --accuracy is made of measured accuracies")]
    [InlineData("plan --table t.json --limit avg-bits=4 --unverified", "--unverified belongs to a MODEL")]
    [InlineData("quantize m.pt --plan p.json --data d.npz --out q.pt --calibrate best", "--calibrate best: expected one of none, light, adaquant")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --bits 2 --bits 4", "'--bits'")]
    [InlineData("plan m.pt --data d.npz --loss mse --accuracy 99% --search greedy", "--search greedy: --accuracy finds its plan by bisection")]
    [InlineData("plan m.pt --data d.npz --loss mse --accuracy 99% --draws 5", "--draws: --accuracy makes one plan and draws none")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --sensitivity quadratic --search pairwise --draws 5", "--draws: --search pairwise makes one plan")]
    [InlineData("prune m.pt --data d.npz --loss mse --sparsity 0.5 --out p.pt --fisher-samples 4", "'--fisher-samples'")]
    [InlineData("measure landscape m.pt --data d.npz --loss mse --matrix ggn", "--matrix ggn: a landscape is about the Hessian; leave --matrix out")]
    [InlineData("report m.pt --data d.npz --loss mse --bugdet 1", "error: '--bugdet' is no option of report: did you mean --budget? A file of that name is ./--bugdet. See")]
    [InlineData("report m.pt --data d.npz --loss mse --matrix ggn --landscape random", "--matrix ggn: --landscape is about the Hessian; leave --matrix out")]
    [InlineData("measure stability m.pt --data d.npz --loss mse --batch-sizes 32 --batch-sizes 128", "'--batch-sizes'")]
    [InlineData(Given + " --class-weights 1,2 --class-weights 3", "'--class-weights'")]
    [InlineData("measure", "Required command")]
    [InlineData("measure sharpness", "'sharpness'")]
    [InlineData("measure trace", "'--data' is required")]
    [InlineData("measure trace model.pt --data data.npz", "'--loss' is required")]
    [InlineData("measure trace model.pt --data data.npz --loss huber", "--loss huber: expected one of cross-entropy, mse, bce")]
    [InlineData(Given + " --frobnicate", "'--frobnicate'")]
    [InlineData(Given + " --matrix kfac", "--matrix kfac: expected one of hessian, ggn, fisher, empirical-fisher, ")]
    [InlineData(Given + " --estimator lanczos", "--estimator lanczos: expected one of hutchinson, hutch++, xtrace, xnystrace")]
    [InlineData(Given + " --out vectors.npz", "'--out'")]
    [InlineData("measure eigs model.pt --data data.npz --loss mse --out vectors.csv", "--out vectors.csv: expected a file name that ends in .npz or .safetensors")]
    [InlineData(Given + " --samples 0", "--samples 0: expected a whole number of at least 1")]
    [InlineData(Given + " --samples many", "--samples many: expected a whole number of at least 1")]
    [InlineData(Given + " --probes 0", "--probes 0: expected")]
    [InlineData(Given + " --probes 1.5", "--probes 1.5: expected")]
    [InlineData(Given + " --budget 0", "--budget 0: expected minutes")]
    [InlineData(Given + " --budget NaN", "--budget NaN: expected minutes")]
    [InlineData(Given + " --tolerance -1", "--tolerance -1: expected a number above 0")]
    [InlineData(Given + " --batch-size 0", "--batch-size 0: expected")]
    [InlineData(Given + " --seed x", "--seed x: expected a whole number")]
    [InlineData(Given + " --seed 5000000000", "--seed 5000000000: expected")]
    [InlineData(Given + " --dtype float16", "--dtype float16: expected one of float32, float64")]
    [InlineData(Given + " --device tpu", "--device tpu: expected cpu, cuda, cuda:INDEX or cuda:local")]
    [InlineData(Given + " --threads 0", "--threads 0: expected")]
    [InlineData(Given + " --l2 -0.1", "--l2 -0.1: expected a number of at least 0")]
    [InlineData(Given + " --label-smoothing 1", "--label-smoothing 1: expected a number in [0, 1)")]
    [InlineData(Given + " --class-weights 1,two", "--class-weights 1,two: expected numbers of at least 0, separated by commas")]
    [InlineData(Given + " --class-weights 1,-1", "--class-weights 1,-1: expected numbers of at least 0")]
    [InlineData("plan m.pt --data d.npz --loss mse --limit avg-bits=4 --bits 2,9", "--bits 2,9: expected different widths from 2 to 8")]
    [InlineData(Given + " --scale 0,5", "--scale 0,5: expected a finite number")]
    [InlineData("measure eigs model.pt --data data.npz --loss mse --which middle", "--which middle: expected one of largest, smallest, both, magnitude")]
    [InlineData("measure eigs model.pt --data data.npz --loss mse --top -1", "--top -1: expected")]
    [InlineData("measure eigs model.pt --data data.npz --loss mse --estimator xtrace", "--estimator xtrace: expected one of lanczos, lobpcg, power")]
    [InlineData("measure diagonal model.pt --data data.npz --loss mse --estimator hutch++", "--estimator hutch++: expected one of hutchinson, xdiag")]
    [InlineData("measure norm model.pt --data data.npz --loss mse --norm max", "--norm max: expected one of frobenius, operator, schatten")]
    [InlineData("measure norm model.pt --data data.npz --loss mse --order 0", "--order 0: expected a number above 0")]
    [InlineData("measure logdet model.pt --data data.npz --loss mse --damping -1", "--damping -1: expected a number of at least 0")]
    [InlineData("measure stability model.pt --data data.npz --loss mse --optimizer lion", "--optimizer lion: expected one of sgd, nesterov, adam, adamw, rmsprop")]
    [InlineData("measure stability model.pt --data data.npz --loss mse --momentum 1", "--momentum 1: expected a number in [0, 1)")]
    [InlineData("measure stability model.pt --data data.npz --loss mse --batch-sizes 32,many", "--batch-sizes 32,many: expected whole numbers of at least 1, separated by commas")]
    [InlineData("measure stability model.pt --data data.npz --loss mse --matrix ggn", "--matrix ggn: stability is about the Hessian; leave --matrix out")]
    [InlineData("report model.pt --data data.npz --loss mse --matrix ggn --lr 0.1", "--matrix ggn: --lr is about the Hessian; leave --matrix out")]
    [InlineData(Given + " --model-type resnet", "--model-type resnet: expected Assembly.dll!Namespace.Type, or one of digits-mlp, lenet, resnet20")]
    [InlineData(Given + " --fisher-samples 4", "--fisher-samples 4: only the matrix fisher is made of draws; add --matrix fisher")]
    [InlineData(Given + " --estimator exact --matrix fisher", "--estimator exact: per-sample gradients give the matrices hessian and ggn, not fisher")]
    [InlineData(Given + " --estimator exact --probes 10", "--estimator exact: an exact answer takes no --probes")]
    [InlineData("measure diagonal model.pt --data data.npz --loss mse --estimator exact --tolerance 0.1", "--estimator exact: an exact answer takes no --tolerance")]
    [InlineData("inspect", "'FILE'")]
    public void Is_one_line_on_stderr_and_exit_code_2(string commandLine, string expected)
    {
        CommandRun run = CommandRun.Of(commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(CurvatureCommand.Usage, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.StartsWith("error: ", run.Error, StringComparison.Ordinal);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.Contains("--help'", run.Error, StringComparison.Ordinal);
        Assert.Equal(run.Error.Length - 1, run.Error.IndexOf('\n', StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--help", "demo", "report", "measure", "inspect")]
    [InlineData("measure --help", "trace", "eigs", "density", "diagonal", "norm", "logdet", "stability")]
    [InlineData("measure eigs --help", "--data", "--loss", "--top", "--which", "--budget", "--json")]
    public void Help_is_on_stdout_and_lists_what_there_is(string commandLine, params string[] expected)
    {
        CommandRun run = CommandRun.Of(commandLine.Split(' '));
        Assert.Equal(CurvatureCommand.Success, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.All(expected, word => Assert.Contains(word, run.Output, StringComparison.Ordinal));
    }
}
