namespace Curvature.Sharpness;

/// <summary>Looks at a summary and says what a reader should know about it. One rule a file, listed in <see cref="KnownFindings"/>.</summary>
public interface IFindingRule
{
    /// <summary>Identifier of the findings it yields, in kebab case.</summary>
    string Id { get; }

    /// <summary>The findings, none where the rule has nothing to say or the quantity it needs is absent.</summary>
    IEnumerable<Finding> Examine(SharpnessSummary summary);
}
