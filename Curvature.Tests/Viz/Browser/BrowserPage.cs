using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Curvature.Tests.Viz.Browser;

/// <summary>A tab: what it asked for, what it complained of, and what a person could do in it.</summary>
/// <param name="call">Sends a command of the DevTools protocol.</param>
internal sealed class BrowserPage(Func<string, object?, Task<JsonElement>> call)
{
    private static readonly Dictionary<string, int> KeyCodes = new()
    {
        ["Enter"] = 13,
        ["Escape"] = 27,
        ["Home"] = 36,
        ["ArrowLeft"] = 37,
        ["ArrowUp"] = 38,
        ["ArrowRight"] = 39,
        ["ArrowDown"] = 40,
    };

    /// <summary>Errors and warnings of the console, of the page's policy and of scripts.</summary>
    public ConcurrentQueue<string> Complaints { get; } = new();

    /// <summary>Every address asked for.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public async Task Listen()
    {
        foreach (string domain in (string[])["Page", "Runtime", "Log", "Network"])
        {
            await call($"{domain}.enable", null);
        }

        await Resize(1100);
    }

    /// <summary>Gives the window a width.</summary>
    public Task Resize(int width) => call("Emulation.setDeviceMetricsOverride", new { width, height = 900, deviceScaleFactor = 1, mobile = false });

    public void Hear(string method, JsonElement parameters)
    {
        switch (method)
        {
            case "Network.requestWillBeSent":
                Requests.Enqueue(parameters.GetProperty("request").GetProperty("url").GetString()!);
                break;
            case "Runtime.exceptionThrown" or "Log.entryAdded":
            case "Runtime.consoleAPICalled" when parameters.GetProperty("type").GetString() is "error" or "warning" or "assert":
                Complaints.Enqueue(parameters.GetRawText());
                break;
        }
    }

    /// <summary>Goes to a file and waits until it is loaded.</summary>
    public async Task Visit(string path)
    {
        await call("Page.navigate", new { url = new Uri(path).AbsoluteUri });
        await Until($"document.readyState === 'complete' && location.href === '{new Uri(path).AbsoluteUri}'");
    }

    /// <summary>The value of an expression, which must be JSON.</summary>
    public async Task<JsonElement> Value(string expression)
    {
        JsonElement answer = await call("Runtime.evaluate", new { expression, returnByValue = true, awaitPromise = true });
        return answer.TryGetProperty("exceptionDetails", out JsonElement failure)
            ? throw new InvalidOperationException($"{expression}: {failure.GetRawText()}")
            : answer.GetProperty("result").TryGetProperty("value", out JsonElement value) ? value : default;
    }

    public async Task<string> Text(string expression) => (await Value(expression)).GetString()!;

    public async Task<string[]> Texts(string expression) => (await Value(expression)).Deserialize<string[]>()!;

    public async Task<bool> Is(string expression) => (await Value(expression)).GetBoolean();

    public async Task Until(string condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await Is(condition))
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(60))
            {
                throw new TimeoutException($"Not true in 60 seconds: {condition}");
            }

            await Task.Delay(10);
        }
    }

    /// <summary>Presses and releases a key.</summary>
    public async Task Press(string key)
    {
        int code = KeyCodes[key];
        await call("Input.dispatchKeyEvent", new { type = "keyDown", key, code = key, windowsVirtualKeyCode = code, text = key == "Enter" ? "\r" : "" });
        await call("Input.dispatchKeyEvent", new { type = "keyUp", key, code = key, windowsVirtualKeyCode = code });
    }

    /// <summary>An event of the mouse: <c>mouseMoved</c>, <c>mousePressed</c> or <c>mouseReleased</c>, with the left button down or not.</summary>
    public Task Mouse(string type, double x, double y, bool held = false) =>
        call("Input.dispatchMouseEvent", new { type, x, y, button = type == "mouseMoved" && !held ? "none" : "left", buttons = held ? 1 : 0, clickCount = type == "mouseMoved" ? 0 : 1 });

    /// <summary>What the reader prefers, e.g. <c>("prefers-color-scheme", "dark")</c>, on a screen or on paper.</summary>
    public Task Prefer(string media, params (string Name, string Value)[] features) =>
        call("Emulation.setEmulatedMedia", new { media, features = features.Select(feature => new { name = feature.Name, value = feature.Value }) });

    public Task WithoutScripts() => call("Emulation.setScriptExecutionDisabled", new { value = true });
}
