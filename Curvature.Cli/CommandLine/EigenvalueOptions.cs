using System.CommandLine;
using Curvature.Cli.Work;
using Curvature.Krylov;

namespace Curvature.Cli.CommandLine;

/// <summary>Which eigenvalues are found, and how well.</summary>
/// <param name="preset">Which eigenvalues, unless the command line says so.</param>
/// <param name="alone">Whether <c>--estimator</c> is about the eigenvalues.</param>
internal sealed class EigenvalueOptions(Spectrum preset, bool alone)
{
    private static readonly Dictionary<string, Spectrum> Ends = new(StringComparer.Ordinal)
    {
        ["largest"] = Spectrum.Largest,
        ["smallest"] = Spectrum.Smallest,
        ["both"] = Spectrum.Both,
        ["magnitude"] = Spectrum.Magnitude,
    };

    private readonly Option<int?> _top = Choices.Count("--top", "how many eigenvalues, with multiplicity; at each end for 'both'; at most one for each parameter [5]");
    private readonly Option<string?> _which = Choices.Word("--which", $"which of them [{Ends.First(end => end.Value == preset).Key}]", Ends.Keys);
    private readonly Option<string?> _solver = Choices.Word("--estimator", $"how they are found [{EigenvalueWork.Default}]", KnownEigensolvers.Names);
    private readonly Option<double?> _tolerance = Choices.Real(
        "--tolerance", "T", "largest residual, as a share of the largest |eigenvalue| [1e-5]", "a number above 0", t => t > 0);

    public void AddTo(Command command)
    {
        command.Add(_top);
        command.Add(_which);
        command.Add(_tolerance);
        if (alone)
        {
            command.Add(_solver);
        }
    }

    public EigenvalueWork Read(ParseResult parse, int seed)
    {
        var options = new EigensolverOptions { Count = parse.GetValue(_top) ?? 5, Seed = seed };
        return new EigenvalueWork((alone ? parse.GetValue(_solver) : null) ?? EigenvalueWork.Default, options with
        {
            Which = parse.GetValue(_which) is { } name ? Ends[name] : preset,
            Tolerance = parse.GetValue(_tolerance) ?? options.Tolerance,
        })
        {
            CountIsAsked = parse.GetValue(_top) is not null,
        };
    }
}
