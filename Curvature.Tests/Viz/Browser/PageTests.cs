using System.Text.Json;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Browser;

/// <summary>The page of a report in a real browser.</summary>
public sealed class PageTests(Chromium browser) : IClassFixture<Chromium>, IDisposable
{
    private const string Rows = "[...document.querySelectorAll('table.sortable')[1].tBodies[0].rows].map(row => row.cells[1].textContent)";
    private const string Surface = "document.querySelector('.turns')";

    private static readonly string Html = HtmlReport.Write(SharpnessContent.Of(Samples.Report));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [BrowserFact]
    public async Task Loads_without_an_error_and_asks_for_nothing_but_itself()
    {
        BrowserPage page = await Visit();
        await page.Prefer("print");
        await page.Prefer("screen", ("prefers-color-scheme", "dark"));
        Assert.Equal([await page.Text("location.href")], page.Requests);
        Assert.Empty(page.Complaints);
        Assert.True(await page.Is("performance.getEntriesByType('resource').length === 0"));
        Assert.True(await page.Is("document.documentElement.scrollWidth <= innerWidth"));
    }

    [BrowserFact]
    public async Task A_narrow_window_scrolls_wide_tables_and_not_the_page()
    {
        BrowserPage page = await Visit();
        await page.Resize(300);
        Assert.True(await page.Is("[...document.querySelectorAll('.table')].some(table => table.scrollWidth > table.clientWidth)"));
        Assert.True(await page.Is("document.documentElement.scrollWidth <= innerWidth"));
    }

    [BrowserFact]
    public async Task A_policy_stops_scripts_that_are_not_the_pages_own()
    {
        BrowserPage page = await Visit();
        await page.Value("{ const script = document.createElement('script'); script.textContent = 'window.intruded = true'; document.body.append(script); }");
        await page.Value("fetch('https://example.invalid/').catch(() => null).then(() => null)");
        Assert.False(await page.Is("window.intruded === true"));
        Assert.All(page.Complaints, complaint => Assert.Contains("Content Security Policy", complaint, StringComparison.Ordinal));
        Assert.NotEmpty(page.Complaints);
    }

    [BrowserFact]
    public async Task The_keyboard_sorts_a_table_upwards_downwards_and_back()
    {
        BrowserPage page = await Visit();
        string[] written = await page.Texts(Rows);
        await page.Value("document.querySelectorAll('table.sortable')[1].querySelectorAll('th button')[1].focus()");
        await page.Press("Enter");
        Assert.Equal("ascending", await Order());
        Assert.Equal(["−0.900000", "2.90000", "5.50000", "9.00000"], await page.Texts(Rows));
        await page.Press("Enter");
        Assert.Equal("descending", await Order());
        Assert.Equal(["9.00000", "5.50000", "2.90000", "−0.900000"], await page.Texts(Rows));
        await page.Press("Enter");
        Assert.Equal("null", await Order());
        Assert.Equal(written, await page.Texts(Rows));
        await page.Value("document.querySelectorAll('table.sortable')[2].querySelectorAll('th button')[0].click()");
        Assert.Equal("conv,hidden,output", await page.Text("[...document.querySelectorAll('table.sortable')[2].tBodies[0].rows].map(row => row.cells[0].textContent).join()"));
        Assert.Empty(page.Complaints);

        Task<string> Order() => page.Text("String(document.querySelectorAll('table.sortable')[1].querySelectorAll('th')[1].getAttribute('aria-sort'))");
    }

    [BrowserFact]
    public async Task A_button_changes_the_scale_of_a_figure_and_back()
    {
        BrowserPage page = await Visit();
        Assert.Equal("logarithmic: Show on a linear scale", await Shown());
        await page.Value("document.querySelector('#figure-1 button').focus()");
        await page.Press("Enter");
        Assert.Equal("linear: Show on a logarithmic scale", await Shown());
        await page.Press("Enter");
        Assert.Equal("logarithmic: Show on a linear scale", await Shown());
        Assert.Empty(page.Complaints);

        async Task<string> Shown()
        {
            string scale = await page.Text("[...document.querySelectorAll('#figure-1 .scaled')].filter(frame => frame.getBoundingClientRect().height > 100).map(frame => frame.dataset.scale).join()");
            return $"{scale}: {await page.Text("document.querySelector('#figure-1 button').textContent")}";
        }
    }

    [BrowserFact]
    public async Task Pointing_at_a_figure_shows_the_value_there_and_keys_go_on_from_it()
    {
        BrowserPage page = await Visit();
        double[] at = (await page.Value(
            """
            (() => {
              const picture = document.querySelector('#figure-2 .picture'), svg = picture.querySelector('svg.light');
              picture.scrollIntoView({ block: 'center' });
              const [x, y] = JSON.parse(picture.querySelector('script').textContent).series[0].marks[1], box = svg.getBoundingClientRect();
              return [box.left + (x + 2) * box.width / svg.viewBox.baseVal.width, box.top + (y - 2) * box.height / svg.viewBox.baseVal.height];
            })()
            """)).Deserialize<double[]>()!;
        await page.Mouse("mouseMoved", at[0], at[1]);
        Assert.Equal("eigenvalue ± residual|rank by |λ|: 2|eigenvalue λ: 5.500000\u00A0±\u00A00.000020", await Tip());
        Assert.True(await page.Is("getComputedStyle(document.querySelector('#figure-2 .tip')).display === 'block'"));
        await page.Mouse("mouseMoved", 5, 5);
        Assert.True(await page.Is("getComputedStyle(document.querySelector('#figure-2 .tip')).display === 'none'"));
        await page.Value("document.querySelector('#figure-2 .picture').focus()");
        await page.Press("ArrowRight");
        await page.Press("ArrowRight");
        Assert.Equal("eigenvalue ± residual|rank by |λ|: 2|eigenvalue λ: 5.500000\u00A0±\u00A00.000020", await Tip());
        await page.Press("ArrowDown");
        Assert.StartsWith("not converged|", await Tip(), StringComparison.Ordinal);
        await page.Press("Escape");
        Assert.Equal("", await Tip());
        Assert.Empty(page.Complaints);

        Task<string> Tip() => page.Text("[...document.querySelector('#figure-2 .tip').children].map(line => line.textContent).join('|')");
    }

    [BrowserFact]
    public async Task Keys_and_the_mouse_turn_the_surface_and_home_turns_it_back()
    {
        BrowserPage page = await Visit();
        string first = await Corners();
        await page.Value($"{Surface}.focus()");
        await page.Press("ArrowRight");
        await page.Until($"{Surface}.parentNode.querySelector('.view').textContent.startsWith('Turned by 15°')");
        await page.Press("Home");
        await Came(first);
        await page.Prefer("screen", ("prefers-reduced-motion", "reduce"));
        await page.Press("ArrowRight");
        string turned = await Corners();
        Assert.NotEqual(first, turned);
        Assert.Equal(turned, await Corners()); // at once: nothing moves on
        await page.Press("ArrowUp");
        string tilted = await Corners();
        Assert.NotEqual(turned, tilted);
        double[] box = (await page.Value($"(() => {{ {Surface}.scrollIntoView({{ block: 'center' }}); const box = {Surface}.getBoundingClientRect(); return [box.left + box.width / 2, box.top + box.height / 2]; }})()")).Deserialize<double[]>()!;
        await page.Mouse("mouseMoved", box[0], box[1]);
        await page.Mouse("mousePressed", box[0], box[1], held: true);
        await page.Mouse("mouseMoved", box[0] + 40, box[1] + 20, held: true);
        await page.Mouse("mouseReleased", box[0] + 40, box[1] + 20);
        string dragged = await Corners();
        Assert.NotEqual(tilted, dragged);
        await page.Mouse("mouseMoved", box[0] + 80, box[1]);
        Assert.Equal(dragged, await Corners()); // let go
        await page.Press("Home");
        await Came(first);
        Assert.Empty(page.Complaints);

        Task<string> Corners() => page.Text($"[...{Surface}.querySelectorAll('svg.light [data-cell]')].map(cell => cell.dataset.cell + ':' + cell.getAttribute('points').split(/[ ,]/).map(Number).map(Math.round)).join(' ')");

        async Task Came(string view)
        {
            for (int i = 0; await Corners() != view; i++)
            {
                Assert.True(i < 3000, $"Not back: {await Corners()} in place of {view}");
                await Task.Delay(10);
            }
        }
    }

    [BrowserFact]
    public async Task Figures_and_page_are_dark_or_light_as_the_reader_prefers_and_light_on_paper()
    {
        BrowserPage page = await Visit();
        await page.Prefer("screen", ("prefers-color-scheme", "light"));
        Assert.Equal(("light", "rgb(246, 248, 250)"), await Look());
        await page.Prefer("screen", ("prefers-color-scheme", "dark"));
        Assert.Equal(("dark", "rgb(13, 17, 23)"), await Look());
        await page.Prefer("print", ("prefers-color-scheme", "dark"));
        Assert.Equal("light", (await Look()).Figures);
        Assert.True(await page.Is("[...document.querySelectorAll('.tools, .tip')].every(element => getComputedStyle(element).display === 'none')"));

        async Task<(string Figures, string Page)> Look() => (
            await page.Text("[...new Set([...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 0).map(svg => svg.classList[0]))].join()"),
            await page.Text("getComputedStyle(document.body).backgroundColor"));
    }

    [BrowserFact]
    public async Task Reads_whole_without_scripts()
    {
        BrowserPage page = await browser.Open();
        await page.WithoutScripts();
        await page.Visit(Write());
        Assert.True(await page.Is("document.querySelectorAll('button, .tip').length === 0"));
        Assert.True(await page.Is("document.querySelectorAll('table.sortable tbody tr').length > 10"));
        Assert.True(await page.Is("[...document.querySelectorAll('figure')].every(figure => [...figure.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().height > 50).length === 1)"));
        Assert.True(await page.Is("document.body.innerText.includes('stable up to a learning rate of')"));
        Assert.True(await page.Is("!document.body.innerText.includes('\"series\"')"));
        Assert.Empty(page.Complaints);
    }

    private string Write() => _folder.Write("report.html", Html);

    private async Task<BrowserPage> Visit()
    {
        BrowserPage page = await browser.Open();
        await page.Visit(Write());
        return page;
    }
}
