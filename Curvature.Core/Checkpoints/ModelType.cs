using System.Reflection;
using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// Makes models by name: a short name of <see cref="KnownNetworks"/>, or <c>Assembly.dll!Namespace.Type</c>, a class with a constructor
/// without parameters in an assembly that was built against the same TorchSharp as this program. Loading an assembly runs its code.
/// </summary>
public static class ModelType
{
    private const char Separator = '!';

    /// <summary>What a specification may look like, for messages.</summary>
    internal static string Choices => $"Assembly.dll!Namespace.Type, or one of {string.Join(", ", KnownNetworks.Names)}";

    /// <summary>A new model with the initial weights that its constructor gives it. The caller disposes it.</summary>
    /// <exception cref="CurvatureException">
    /// No such name, file or type; a type that is no <c>IModule&lt;Tensor, Tensor&gt;</c> or has no such constructor; another
    /// TorchSharp.
    /// </exception>
    public static nn.Module Create(string specification)
    {
        int at = specification.IndexOf(Separator, StringComparison.Ordinal);
        return at < 0
            ? KnownNetworks.Create(specification)
            : Create(Find(specification[..at], specification[(at + 1)..]), specification);
    }

    private static nn.Module Create(Type type, string specification)
    {
        if (!typeof(nn.Module).IsAssignableFrom(type) || !typeof(nn.IModule<Tensor, Tensor>).IsAssignableFrom(type) || type.IsAbstract)
        {
            throw new CurvatureException(
                $"{specification}: expected a class derived from Module<Tensor, Tensor>, got another type; derive the model from it.");
        }

        try
        {
            return (nn.Module)Activator.CreateInstance(type)!;
        }
        catch (MissingMethodException e)
        {
            throw new CurvatureException(
                $"{specification}: expected a public constructor without parameters, got none; add one that builds the saved network.", e);
        }
        catch (TargetInvocationException e)
        {
            throw new CurvatureException(
                $"{specification}: expected a model, got an error from its constructor: {e.InnerException?.Message}", e);
        }
    }

    private static Type Find(string file, string typeName)
    {
        using (InputFile.Open(file))
        {
        }

        Assembly assembly;
        try
        {
            assembly = Assembly.LoadFrom(Path.GetFullPath(file));
        }
        catch (Exception e) when (e is BadImageFormatException or FileLoadException)
        {
            throw new DataFormatException(file, "a .NET assembly", "another kind of file", "name the .dll that `dotnet build` wrote", e);
        }

        CheckEngine(assembly, file);
        return assembly.GetType(typeName) ?? throw new DataFormatException(
            file,
            $"a type '{typeName}'",
            $"none of that name (its models: {Models(assembly)})",
            "write the namespace and the type as the source has them");
    }

    /// <summary>
    /// Two builds of the same source against different TorchSharp assemblies have different, incompatible Module types.
    /// </summary>
    private static void CheckEngine(Assembly assembly, string file)
    {
        string own = typeof(torch).Assembly.GetName().Name!;
        string? other = assembly.GetReferencedAssemblies().Select(reference => reference.Name)
            .FirstOrDefault(name => name != own && name?.EndsWith("TorchSharp", StringComparison.Ordinal) == true);
        if (other is not null)
        {
            throw new DataFormatException(
                file,
                $"an assembly built against {own}, as this program is",
                $"one built against {other}",
                "build it in the same engine mode as Curvature");
        }
    }

    private static string Models(Assembly assembly)
    {
        try
        {
            IEnumerable<Type> models = assembly.GetExportedTypes().Where(type => typeof(nn.Module).IsAssignableFrom(type));
            string[] names = [.. models.Select(type => type.FullName!)];
            return names.Length == 0 ? "none" : string.Join(", ", names.Take(20));
        }
        catch (Exception e) when (e is FileNotFoundException or TypeLoadException or NotSupportedException)
        {
            return "they cannot be listed";
        }
    }
}
