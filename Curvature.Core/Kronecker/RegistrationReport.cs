using System.Text;

namespace Curvature.Kronecker;

/// <summary>Every chosen parameter and what stands for its curvature: nothing is left out in silence.</summary>
/// <param name="Parameters">One line a parameter, in the order of the parameter vector.</param>
/// <param name="Remarks">What holds for the model as a whole.</param>
public sealed record RegistrationReport(IReadOnlyList<RegisteredParameter> Parameters, IReadOnlyList<string> Remarks)
{
    /// <summary>The parameters that got less than their layer's kind would: <see cref="RegisteredParameter.Why"/> says why.</summary>
    public IEnumerable<RegisteredParameter> Fallbacks => Parameters.Where(p => p.Why.Length > 0);

    /// <summary>A line a parameter, then the remarks.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        int width = Parameters.Max(p => p.Name.Length);
        foreach (RegisteredParameter p in Parameters)
        {
            text.Append(p.Name.PadRight(width)).Append("  ").Append(p.Kind);
            text.Append(p.Block == p.Name ? "" : $" (block {p.Block})").Append(p.Why.Length > 0 ? $": {p.Why}" : "").Append('\n');
        }

        foreach (string remark in Remarks)
        {
            text.Append(remark).Append('\n');
        }

        return text.ToString();
    }
}
