using System.Diagnostics;

namespace Curvature.Tests.Build;

/// <summary>
/// A copy of the build scripts in a temporary folder, run with a search path that holds only what a test puts there: basic tools of the system
/// and stubs. Nothing is installed and no real build happens.
/// </summary>
public sealed class ScriptSandbox : IDisposable
{
    private static readonly string[] Tools =
        ["awk", "bash", "cat", "cut", "dirname", "env", "find", "grep", "id", "mkdir", "paste", "readlink", "rm", "sed", "uname"];

    private readonly string root = Directory.CreateTempSubdirectory("curvature-scripts-").FullName;

    public ScriptSandbox()
    {
        Directory.CreateDirectory(Bin);
        foreach (string tool in Tools)
        {
            File.CreateSymbolicLink(Path.Combine(Bin, tool), Locate(tool));
        }

        foreach (string script in (string[])["build.sh", "eng/setup.sh", "eng/dotnet.sh"])
        {
            string copy = Path.Combine(root, script);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Repository.File(script), copy);
        }
    }

    private string Bin => Path.Combine(root, "bin");

    /// <summary>Puts a command in the search path that runs these lines of bash, in place of any tool of the same name.</summary>
    public void Stub(string name, string body)
    {
        Remove(name);
        string path = Path.Combine(Bin, name);
        File.WriteAllText(path, $"#!{Locate("bash")}\n{body}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Takes a command out of the search path.</summary>
    public void Remove(string name) => File.Delete(Path.Combine(Bin, name));

    /// <summary>Puts commands in the search path that do nothing.</summary>
    public void StubAll(params string[] names) => Array.ForEach(names, name => Stub(name, ""));

    /// <summary>Runs a script with nothing in its environment but the search path and what is given.</summary>
    public (int ExitCode, string Output, string Error) Run(string script, string arguments, params (string Name, string Value)[] environment)
    {
        ProcessStartInfo start = new(Locate("bash"), $"{Path.Combine(root, script)} {arguments}")
        {
            WorkingDirectory = root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        start.Environment["PATH"] = Bin;
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private static string Locate(string tool) => Array.Find([$"/usr/bin/{tool}", $"/bin/{tool}"], File.Exists)
        ?? throw new FileNotFoundException($"The system has no {tool}.");
}
