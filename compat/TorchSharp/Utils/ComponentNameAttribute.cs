namespace TorchSharp.Utils;

/// <summary>The name under which RegisterComponents registers a field.</summary>
[AttributeUsage(AttributeTargets.Field)]
public class ComponentNameAttribute : Attribute
{
    public string Name { get; set; } = "";
}
