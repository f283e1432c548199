"""The style of a plot that stands alone: light and dark, colours (Okabe, Ito) for the colour-blind."""

# A plot brings its colours along, so that it can be shown alone.
PLOT = """
.plot { --paper: #ffffff; --ink: #1b1b1f; --soft: #5b6068; --line: #dcdfe4; --panel: #f5f6f8;
  --best: #0072b2; --start: #b34700; --other: #7a8088; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { .plot { --paper: #16181c; --ink: #e8e9ec; --soft: #a2a8b2; --line: #363a42;
  --panel: #1f2228; --best: #56b4e9; --start: #f0a040; --other: #8d949e; } }
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
