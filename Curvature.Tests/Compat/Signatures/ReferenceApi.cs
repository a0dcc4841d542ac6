using System.Text.RegularExpressions;

namespace Curvature.Tests.Compat;

/// <summary>
/// The public surface of a package as a text dump: a section for each type ("### Namespace::Name [kind] : bases") with a line for each member it
/// declares. Nullability marks and modifiers that do not matter to a caller are left out of the comparison.
/// </summary>
internal sealed partial class ReferenceApi
{
    private readonly Dictionary<string, HashSet<string>> members = [];
    private readonly Dictionary<string, List<string>> bases = [];

    public static string Folder { get; } = Path.GetFullPath(Path.Combine(Repository.File("."), "..", "shared", "reference", "api"));

    public ReferenceApi(string file)
    {
        HashSet<string> section = [];
        foreach (var line in File.ReadLines(Path.Combine(Folder, file)))
        {
            if (!line.StartsWith("### ", StringComparison.Ordinal))
            {
                section.Add(Normal(line));
                continue;
            }
            var header = HeaderPattern().Match(Normal(line));
            // One name can have several sections: overloads by number of type parameters, and the same name in another namespace.
            section = members[header.Groups["type"].Value] = members.GetValueOrDefault(header.Groups["type"].Value, []);
            bases[header.Groups["type"].Value] = [.. header.Groups["bases"].Value.Split(", ").Select(name => name.Trim())];
        }
    }

    public bool HasType(string type) => members.ContainsKey(type);

    /// <summary>Whether the type or one of its bases declares the member.</summary>
    public bool Has(string type, string member)
    {
        if (!members.TryGetValue(type, out var own)) return false;
        if (own.Contains(member) || own.Contains(member.Replace("{ get; }", "{ get; set; }", StringComparison.Ordinal))) return true;
        return bases[type].Any(ancestor => members.Keys.Any(key => Tail(key) == Plain(ancestor) && key != type && Has(key, member)));
    }

    /// <summary>What the type declares under the member's name, for the message.</summary>
    public IEnumerable<string> Similar(string type, string member)
    {
        var name = NamePattern().Match(member).Groups["name"].Value;
        return members.GetValueOrDefault(type, []).Where(line => NamePattern().Match(line).Groups["name"].Value == name);
    }

    /// <summary>The form in which lines are compared, for the dump's text and for our own.</summary>
    public static string Normal(string line)
    {
        line = ModifierPattern().Replace(line.Trim(), "").Replace("?", "", StringComparison.Ordinal);
        var constraint = line.StartsWith("###", StringComparison.Ordinal) ? -1 : line.IndexOf(" where ", StringComparison.Ordinal);
        return constraint < 0 ? line : line[..constraint];
    }

    private static string Tail(string type) => Plain(type[(type.IndexOf("::", StringComparison.Ordinal) + 2)..]);

    private static string Plain(string type) => type.Split('<')[0];

    [GeneratedRegex(@"^### (?<type>\S+::.+?) \[[^\]]+\](?: : (?<bases>.*?))?(?: where .*)?$")]
    private static partial Regex HeaderPattern();

    [GeneratedRegex(@"\[Obsolete\] |\b(?:virtual|override|abstract|sealed|readonly|internal|new) ")]
    private static partial Regex ModifierPattern();

    [GeneratedRegex(@"(?<name>[\w@]+)(?:<[^(]*>)?(?:\(|\[| \{| =|$)")]
    private static partial Regex NamePattern();
}
