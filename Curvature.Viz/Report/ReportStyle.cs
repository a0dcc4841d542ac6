namespace Curvature.Viz.Report;

/// <summary>The style sheet of the page: light and dark by the reader's preference, light on paper, system fonts only.</summary>
internal static class ReportStyle
{
    internal const string Css = """
        :root { color-scheme: light dark; --page: #f6f8fa; --card: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0;
          --accent: #0072b2; --info: #0072b2; --warning: #b35900; --error: #c62828; }
        @media screen and (prefers-color-scheme: dark) {
          :root { --page: #0d1117; --card: #161b22; --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --accent: #56b4e9;
            --info: #56b4e9; --warning: #e69f00; --error: #ff7b72; }
          svg.light { display: none; }
        }
        @media print, (prefers-color-scheme: light) { svg.dark { display: none; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--page); color: var(--ink); font: 1rem/1.5 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
        header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem; }
        header { padding-top: 2.5rem; }
        .kind { margin: 0; color: var(--accent); font-size: .8rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; }
        h1 { margin: .1rem 0 .4rem; font-size: 2.1rem; line-height: 1.2; overflow-wrap: anywhere; }
        .lead { margin: 0; color: var(--soft); font-size: 1.1rem; }
        h2 { margin: 2.5rem 0 .8rem; font-size: 1.35rem; }
        p { max-width: 46rem; overflow-wrap: anywhere; }
        .headlines { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .9rem; margin: 1.8rem 0 0; }
        .headlines div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; }
        .headlines dt { color: var(--soft); font-size: .85rem; }
        .headlines dd { margin: 0; }
        .headlines .value { font-size: 1.45rem; font-weight: 600; line-height: 1.35; font-variant-numeric: tabular-nums; }
        .headlines .meaning { color: var(--soft); font-size: .85rem; line-height: 1.4; }
        .findings { list-style: none; margin: 0; padding: 0; display: grid; gap: .6rem; }
        .findings li { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--tone); border-radius: .35rem;
          padding: .6rem .9rem; overflow-wrap: anywhere; }
        .findings .severity { color: var(--tone); font-weight: 600; }
        .findings small { display: block; color: var(--soft); }
        .info { --tone: var(--info); } .warning { --tone: var(--warning); } .error { --tone: var(--error); }
        figure { margin: 1rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem;
          display: grid; gap: .4rem 1.5rem; }
        figure svg { width: 100%; max-width: 36rem; height: auto; }
        .scaled[hidden] { display: none; }
        .picture { position: relative; max-width: 36rem; border-radius: .35rem; }
        .picture svg { vertical-align: top; user-select: none; }
        .turns { cursor: grab; touch-action: pan-y; } .turns:active { cursor: grabbing; }
        .ring { display: none; fill: none; stroke: var(--ink); stroke-width: 1.5; } .pointed .ring { display: inline; }
        .tip { display: none; position: absolute; z-index: 1; transform: translate(.8rem, .5rem); width: max-content; max-width: 15rem; pointer-events: none; background: var(--card); color: var(--ink);
          border: 1px solid var(--soft); border-radius: .35rem; padding: .3rem .6rem; font-size: .85rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
        .pointed .tip { display: block; } .tip strong, .tip span { display: block; }
        .tip.leftwards { transform: translate(calc(-100% - .8rem), .5rem); } .tip.upwards { transform: translate(.8rem, calc(-100% - .5rem)); }
        .tip.leftwards.upwards { transform: translate(calc(-100% - .8rem), calc(-100% - .5rem)); }
        .tools { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; margin-top: .5rem; } .view { margin: 0; color: var(--soft); font-size: .85rem; }
        .tools button { font: inherit; font-size: .85rem; color: var(--accent); background: none; border: 1px solid var(--line); border-radius: .35rem; padding: .15rem .6rem; cursor: pointer; }
        .tools button:hover { border-color: var(--accent); }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        figcaption { color: var(--soft); font-size: .9rem; }
        figcaption strong { display: block; color: var(--ink); }
        @media (min-width: 50rem) { figure { grid-template-columns: minmax(0, 36rem) minmax(0, 1fr); } figcaption { padding-top: 1rem; } }
        .table { position: relative; overflow-x: auto; margin: 1rem 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
        caption { text-align: left; color: var(--soft); padding: .7rem .9rem; }
        th, td { padding: .4rem .9rem; text-align: left; border-top: 1px solid var(--line); vertical-align: top; }
        thead th { font-size: .8rem; color: var(--soft); vertical-align: bottom; }
        .sort { all: unset; cursor: pointer; } .sort:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        .sort::after { content: "\2195"; position: absolute; padding-left: .1em; opacity: .45; }
        [aria-sort] .sort { color: var(--ink); } [aria-sort] .sort::after { opacity: 1; }
        [aria-sort="ascending"] .sort::after { content: "\2191"; } [aria-sort="descending"] .sort::after { content: "\2193"; }
        tbody th { font-weight: 600; overflow-wrap: anywhere; } tbody th:not(.number) { min-width: 8rem; }
        .number { text-align: right; white-space: nowrap; }
        .environment td { overflow-wrap: anywhere; }
        .environment th { white-space: nowrap; width: 1%; }
        pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; white-space: pre-wrap;
          overflow-wrap: anywhere; font: .85rem/1.5 ui-monospace, Consolas, "DejaVu Sans Mono", monospace; }
        footer { color: var(--soft); font-size: .85rem; padding-top: 2rem; padding-bottom: 3rem; }
        @media print {
          :root { font-size: 8.5pt; }
          body { background: none; }
          th, td { padding: .3rem .5rem; }
          header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
          figure, tr, .headlines div, .findings li { break-inside: avoid; }
          h2, caption { break-after: avoid; }
          figure { grid-template-columns: 10cm 1fr; }
          .table { overflow: visible; }
          .tools, .tip, .ring, .sort::after { display: none !important; }
        }
        """;
}
