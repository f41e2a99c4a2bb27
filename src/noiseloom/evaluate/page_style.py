"""The report's style sheet: one column on a phone, two on a desk, light or dark as the reader's."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #fff; --ink: #1d2126; --soft: #5c6570;
  --line: #dfe2e6; --blue: #1f5fa8; --pale: #a9c4e4; --orange: #c2500f; --good: #1c7a46;
  --fair: #96650a; --bad: #b3261e; --real: #c9cfd6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --card: #1c2024; --ink: #e8eaed;
  --soft: #a3abb5; --line: #333a42; --blue: #7fb2ee; --pale: #3c5877; --orange: #f19a5e;
  --good: #6fcf97; --fair: #e3b341; --bad: #ff8a80; --real: #4d5763; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main, header, footer { max-width: 61rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: clamp(1.8rem, 5vw, 2.6rem); line-height: 1.15; margin: .1rem 0 .6rem;
  overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .8rem; padding-top: 1.2rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .5rem 0; max-width: 46rem; }
a { color: var(--blue); }
.eyebrow { color: var(--soft); font-size: .85rem; letter-spacing: .06em; text-transform: uppercase;
  margin: 0; }
.lead { font-size: 1.1rem; max-width: 44rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem;
  margin: 1.4rem 0 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.25rem; line-height: 1.3; }
.tiles span { color: var(--soft); font-size: .85rem; }
.verdicts { list-style: none; padding: 0; margin: .5rem 0; }
.verdicts li { display: flex; gap: .7rem; padding: .45rem 0; max-width: 48rem; }
.mark { flex: none; width: 1.5rem; height: 1.5rem; border-radius: 50%; text-align: center;
  line-height: 1.5rem; font-size: .85rem; font-weight: 700; color: var(--card); }
.good .mark { background: var(--good); } .fair .mark { background: var(--fair); }
.bad .mark { background: var(--bad); }
figure { margin: 0 0 1.2rem; }
figure .picture { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 10px; display: inline-block; max-width: 100%; vertical-align: top; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption, .note { color: var(--soft); font-size: .9rem; max-width: 46rem; }
figcaption { margin-top: .35rem; }
.row { display: grid; gap: 1rem 1.4rem; grid-template-columns: repeat(auto-fit, minmax(min(100%,
  13rem), 1fr)); }
.row.wide { grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .55rem .8rem .55rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; font-size: .85rem; }
.figures td.value { white-space: nowrap; } .figures td.value b { font-size: 1.05rem; }
.figures .meaning { color: var(--soft); font-size: .88rem; font-weight: 400; display: block;
  max-width: 25rem; }
.figures small, .plain small { color: var(--soft); display: block; font-size: .8rem; }
.figures td:last-child { width: 15rem; padding-right: 0; }
.plain { width: auto; } .plain th { font-weight: 400; color: var(--soft); }
.plain td { overflow-wrap: anywhere; }
.texts { table-layout: fixed; } .texts td { overflow-wrap: anywhere; font-size: .92rem; }
.prompts td { font-size: .92rem; } .prompts img { image-rendering: pixelated; border-radius: 6px;
  display: block; } .prompts .meaning { color: var(--soft); font-size: .88rem; display: block; }
.prompts .mark { display: inline-block; } .prompts td:first-child { width: 7rem; }
.prompts td:nth-child(2) { width: 34%; } .prompts td:last-child { width: 9rem; }
pre.text { white-space: pre-wrap; overflow-wrap: anywhere; max-height: 40rem; overflow-y: auto; }
figure.square { max-width: 26rem; } svg circle.mark { fill: var(--blue); opacity: .55; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12.5px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg polyline { fill: none; stroke: var(--blue); stroke-width: 2; stroke-linejoin: round; }
svg polyline.raw { stroke: var(--pale); stroke-width: 1; }
svg polyline.other { stroke: var(--orange); stroke-width: 1.6; stroke-dasharray: 5 3; }
svg rect.real { fill: var(--real); } svg line.real { stroke: var(--soft); stroke-width: 2; }
svg line.sample { stroke: var(--blue); stroke-width: 2; } svg circle.sample { fill: var(--blue); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: 50%;
  vertical-align: -1px; margin-right: .3rem; background: var(--blue); }
.keys > span { display: inline-block; margin-right: 1rem; }
.key.band { border-radius: 2px; background: var(--real); } .key.raw { background: var(--pale); }
.key.other { background: var(--orange); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem 1rem; overflow-x: auto; font-size: .87rem; line-height: 1.5; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .9em; }
details { margin: .8rem 0; } summary { cursor: pointer; font-weight: 600; }
footer { color: var(--soft); font-size: .85rem; padding: 2.5rem 1.25rem 3rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
@media (max-width: 44rem) {
  .figures thead { display: none; } .figures tr { display: grid; grid-template-columns: 1fr 1fr;
    gap: .3rem 1rem; padding: .9rem 0; border-bottom: 1px solid var(--line); }
  .figures th, .figures td { border: 0; padding: 0; }
  .figures th, .figures td:last-child { grid-column: 1 / -1; width: auto; }
  .figures td.value::before { content: attr(data-name); display: block; color: var(--soft);
    font-size: .8rem; }
}
@media print { body { background: #fff; } h2 { break-after: avoid; }
  figure { break-inside: avoid; } }
"""
