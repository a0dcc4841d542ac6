using System.Reflection;

namespace Curvature.Cli.Work;

/// <summary>The demo's checkpoint and data, unpacked from this program into a temporary folder that goes with it.</summary>
internal sealed class EmbeddedDemo : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("curvature-demo-");

    public EmbeddedDemo()
    {
        Model = Unpack("digits-mlp.safetensors");
        Data = Unpack("digits.csv.gz");
    }

    public string Model { get; }

    public string Data { get; }

    public void Dispose() => _folder.Delete(recursive: true);

    private string Unpack(string name)
    {
        string path = Path.Combine(_folder.FullName, name);
        using Stream source = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not inside this program.");
        using FileStream file = File.Create(path);
        source.CopyTo(file);
        return path;
    }
}
