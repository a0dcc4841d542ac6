using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using Xunit;

namespace Curvature.Tests.Viz.Browser;

/// <summary>A Chromium without a window, with an empty profile of its own, spoken to over its DevTools protocol; started once for a class of tests.</summary>
public sealed class Chromium : IAsyncLifetime, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _profile = new();
    private readonly ClientWebSocket _socket = new();
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _calls = new();
    private readonly ConcurrentDictionary<string, Action<string, JsonElement>> _listeners = new();
    private readonly SemaphoreSlim _sending = new(1);
    private Process? _process;
    private Task _receiving = Task.CompletedTask;
    private int _last;

    /// <summary>What it may be called.</summary>
    public static IReadOnlyList<string> Names { get; } = ["chromium", "chromium-browser", "google-chrome"];

    /// <summary>Its full path; null where there is none.</summary>
    public static string? Executable { get; } = Names
        .SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    public async Task InitializeAsync()
    {
        if (Executable is null)
        {
            return;
        }

        ProcessStartInfo start = new(Executable) { RedirectStandardError = true, RedirectStandardOutput = true };
        string[] options =
        [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-port=0", $"--user-data-dir={_profile.File("profile")}", "about:blank",
        ];
        Array.ForEach(options, start.ArgumentList.Add);
        _process = Process.Start(start)!;
        Task<string> address = Address(_process.StandardError);
        _ = _process.StandardOutput.ReadToEndAsync();
        await _socket.ConnectAsync(new Uri(await address.WaitAsync(Patience)), CancellationToken.None);
        _receiving = Receive();
    }

    /// <summary>An empty tab.</summary>
    internal async Task<BrowserPage> Open()
    {
        string target = (await Call(null, "Target.createTarget", new { url = "about:blank" })).GetProperty("targetId").GetString()!;
        string session = (await Call(null, "Target.attachToTarget", new { targetId = target, flatten = true })).GetProperty("sessionId").GetString()!;
        BrowserPage page = new((method, parameters) => Call(session, method, parameters));
        _listeners[session] = page.Hear;
        await page.Listen();
        return page;
    }

    public async Task DisposeAsync()
    {
        await _ending.CancelAsync();
        await _receiving;
        if (_process is not null)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        _sending.Dispose();
        _ending.Dispose();
        _process?.Dispose();
        for (int i = 0; ; i++)
        {
            try
            {
                _profile.Dispose(); // children of the browser may be writing a moment longer
                return;
            }
            catch (IOException) when (i < 20)
            {
                Thread.Sleep(50);
            }
        }
    }

    private static async Task<string> Address(StreamReader messages)
    {
        const string Says = "DevTools listening on ";
        List<string> lines = [];
        while (await messages.ReadLineAsync() is { } line)
        {
            if (line.StartsWith(Says, StringComparison.Ordinal))
            {
                _ = messages.ReadToEndAsync();
                return line[Says.Length..];
            }

            lines.Add(line);
        }

        throw new InvalidOperationException($"Chromium ended without saying where it listens: {string.Join('\n', lines)}");
    }

    private async Task<JsonElement> Call(string? session, string method, object? parameters)
    {
        int id = Interlocked.Increment(ref _last);
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _calls[id] = answer;
        Dictionary<string, object> message = new() { ["id"] = id, ["method"] = method, ["params"] = parameters ?? new { } };
        if (session is not null)
        {
            message["sessionId"] = session;
        }

        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, endOfMessage: true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }

        return await answer.Task.WaitAsync(Patience);
    }

    private async Task Receive()
    {
        byte[] buffer = new byte[1 << 16];
        using var message = new MemoryStream();
        try
        {
            while (!_ending.IsCancellationRequested)
            {
                WebSocketReceiveResult part = await _socket.ReceiveAsync(buffer, _ending.Token);
                message.Write(buffer, 0, part.Count);
                if (part.EndOfMessage)
                {
                    Dispatch(JsonDocument.Parse(message.ToArray()).RootElement);
                    message.SetLength(0);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or WebSocketException)
        {
            foreach (TaskCompletionSource<JsonElement> call in _calls.Values)
            {
                call.TrySetException(e);
            }
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("id", out JsonElement id))
        {
            if (_calls.TryRemove(id.GetInt32(), out TaskCompletionSource<JsonElement>? call))
            {
                if (message.TryGetProperty("result", out JsonElement result))
                {
                    call.SetResult(result);
                }
                else
                {
                    call.SetException(new InvalidOperationException(message.GetRawText()));
                }
            }
        }
        else if (message.TryGetProperty("sessionId", out JsonElement session) && _listeners.TryGetValue(session.GetString()!, out Action<string, JsonElement>? listener))
        {
            listener(message.GetProperty("method").GetString()!, message.GetProperty("params"));
        }
    }
}
