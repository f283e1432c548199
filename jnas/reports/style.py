"""Styles of the page and its plots: light and dark, phone and desk, colours (Okabe, Ito) for the colour-blind."""

_LIGHT = """--paper: #ffffff; --ink: #1b1b1f; --soft: #5b6068; --line: #dcdfe4; --panel: #f5f6f8;
  --best: #0072b2; --start: #b34700; --other: #7a8088;"""
_DARK = """--paper: #16181c; --ink: #e8e9ec; --soft: #a2a8b2; --line: #363a42; --panel: #1f2228;
  --best: #56b4e9; --start: #f0a040; --other: #8d949e;"""


def _colours(selector: str) -> str:
    dark = f"@media (prefers-color-scheme: dark) {{ {selector} {{ {_DARK} }} }}"
    return f"{selector} {{ {_LIGHT} color-scheme: light dark; }}\n{dark}"


# A plot brings its colours along, so that it can be shown alone.
PLOT = (
    _colours(".plot")
    + """
.plot { width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; background: var(--paper); }
.plot text { fill: var(--ink); } .plot .tick, .plot .axis { fill: var(--soft); }
.plot .plot-title { font-size: 14px; font-weight: 600; }
.plot .middle { text-anchor: middle; } .plot .right { text-anchor: end; }
.plot .grid { stroke: var(--line); } .plot .best { stroke: var(--best); stroke-width: 2.5; fill: none; }
.plot .start { stroke: var(--start); stroke-width: 1.5; stroke-dasharray: 6 4; }
.plot .improved { fill: var(--best); stroke: var(--paper); }
.plot .other { fill: var(--paper); stroke: var(--other); stroke-width: 1.5; }
.plot .failed { stroke: var(--start); stroke-width: 2; fill: none; }
.plot .best-label { fill: var(--best); font-weight: 600; } .plot .start-label { fill: var(--start); font-weight: 600; }
"""
)

PAGE = (
    _colours(":root")
    + """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.2rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; max-width: 70ch; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.8rem, 1fr)); gap: .7rem; margin: 1rem 0; }
.tile { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; padding: .5rem .6rem; color: var(--soft); }
th, td { text-align: left; padding: .35rem .6rem; border-top: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 600; } thead th { border-top: 0; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.words { min-width: 8rem; overflow-wrap: anywhere; }
tr.winner td { background: var(--panel); font-weight: 600; }
pre { margin: 0; padding: .8rem; overflow-x: auto; font: 13px/1.4 ui-monospace, monospace; background: var(--panel); }
ol { padding-left: 1.4rem; } li { margin: .25rem 0; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; }
details summary { cursor: pointer; color: var(--soft); }
"""
)
