using Curvature.Estimators;

namespace Curvature.Cli.CommandLine;

/// <summary>An estimate with more to say than its error bar.</summary>
internal static class EstimateJson
{
    /// <summary>Its own members as everywhere, with the quadrature's error where there is one, behind what else is known.</summary>
    public static Dictionary<string, object?> Of(Estimate estimate, double? quadratureError, params (string Name, object? Value)[] more)
    {
        var members = more.ToDictionary(member => member.Name, member => member.Value);
        members.Add("value", estimate.Value);
        members.Add("standard_error", estimate.StandardError);
        members.Add("products", estimate.Products);
        if (quadratureError is { } error)
        {
            members.Add("quadrature_error", error);
        }

        return members;
    }
}
