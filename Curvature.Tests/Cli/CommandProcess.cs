using System.Diagnostics;

namespace Curvature.Tests.Cli;

/// <summary>The built <c>curvature.dll</c> as a process of its own: real exit codes and signals.</summary>
internal sealed class CommandProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly Task<string> _output;

    public CommandProcess(params string[] args) : this(StartInfo(args))
    {
    }

    private CommandProcess(ProcessStartInfo start)
    {
        _process = Process.Start(start)!;
        _output = _process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>A process that finds one more variable in its environment.</summary>
    public static CommandProcess With(string variable, string value, params string[] args)
    {
        ProcessStartInfo start = StartInfo(args);
        start.Environment[variable] = value;
        return new CommandProcess(start);
    }

    /// <summary>A process that works in a folder, with one more variable in its environment.</summary>
    public static CommandProcess In(string folder, string variable, string value, params string[] args)
    {
        ProcessStartInfo start = StartInfo(args);
        start.WorkingDirectory = folder;
        start.Environment[variable] = value;
        return new CommandProcess(start);
    }

    /// <summary>As many ranks of one command, started by mpirun.</summary>
    public static CommandProcess Mpirun(int ranks, params string[] args) => Mpirun([args], ranks);

    /// <summary>As many ranks of one command, started by mpirun with one of its parameters (MCA) set.</summary>
    public static CommandProcess MpirunWith(string parameter, string value, int ranks, params string[] args) => Mpirun([args], ranks, "--mca", parameter, value);

    /// <summary>A rank for each command line, started by mpirun.</summary>
    public static CommandProcess Mpirun(IReadOnlyList<string[]> commands) => Mpirun(commands, 1);

    /// <summary>A command behind a launcher that has a terminal, with its output in a file.</summary>
    public static CommandProcess OnTerminal(string[] launcher, string file, params string[] args)
    {
        ProcessStartInfo start = Start(["script", "-qec", $"{string.Join(' ', [.. launcher, .. Program(args)])} > {file}", "/dev/null"]);
        (start.Environment["OMPI_ALLOW_RUN_AS_ROOT"], start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"], start.Environment["TERM"]) = ("1", "1", "xterm");
        return new CommandProcess(start);
    }

    private static CommandProcess Mpirun(IReadOnlyList<string[]> commands, int each, params string[] options)
    {
        string[] line = [.. commands.SelectMany((args, i) => (string[])[.. i == 0 ? Array.Empty<string>() : [":"], "-n", $"{each}", .. Program(args)])];
        ProcessStartInfo start = Start(["mpirun", "--oversubscribe", .. options, .. line]);
        foreach (string variable in (string[])["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_mpi_yield_when_idle", "OMP_NUM_THREADS"])
        {
            start.Environment[variable] = "1";
        }

        return new CommandProcess(start);
    }

    /// <summary>Numbers of the processes that it started itself.</summary>
    public int[] Children() => [.. File.ReadAllText($"/proc/{_process.Id}/task/{_process.Id}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

    /// <summary>Reads standard error up to a line with <paramref name="word"/>.</summary>
    public string WaitFor(string word)
    {
        while (_process.StandardError.ReadLine() is { } line)
        {
            if (line.Contains(word, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new InvalidOperationException($"The process ended without saying '{word}'.");
    }

    /// <summary>Sends a signal by name, e.g. <c>INT</c>.</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Waits for its end.</summary>
    public CommandRun Finish()
    {
        Task<string> error = _process.StandardError.ReadToEndAsync();
        if (!_process.WaitForExit(Patience))
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        return new CommandRun(_process.ExitCode, _output.Result, error.Result);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    private static ProcessStartInfo StartInfo(string[] args) => Start(Program(args));

    private static string[] Program(string[] args) => ["dotnet", Path.Combine(AppContext.BaseDirectory, "curvature.dll"), .. args];

    /// <summary>A process started in the background of a script inherits ignored interrupts; this one must not.</summary>
    private static ProcessStartInfo Start(string[] line) => new("env", ["--default-signal=INT,TERM", .. line])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    };
}
