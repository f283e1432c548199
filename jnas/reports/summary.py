"""What a search says at its end, in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jnas.reports import credit
from jnas.reports.changes import changed
from jnas.reports.content import fidelity
from jnas.reports.costs import known_costs, spent
from jnas.reports.run import Run, accuracy
from jnas.reports.text import clean, count, duration, gain, percent
from jnas.runs.database import Candidate
from jnas.training.fidelity import Agreement
from jnas.trees.drawing import draw
from jnas.trees.picture import lines
from translators.diagnostics import UserError

MOST = 40  # candidates that are listed


def print_summary(run: Run, console: Console | None = None) -> None:
    """Candidates, fate of ideas, the best tree and what changed since the start, test accuracies, where it all lies."""
    console = console or Console()
    console.print(_candidates(run))
    if refused := Counter(attempt.reason for attempt in run.attempts).most_common():
        reasons = ", ".join(f"{clean(reason)} {number:,}" for reason, number in refused)
        console.print(Text(f"{len(run.attempts):,} proposals turned down: {reasons}\n"))
    if run.front:
        console.print(_front(run))
    if found := fidelity(run):
        console.print(_fidelities(found))
    for table in credit.tables(run):
        console.print(table)
    if run.best is not None:
        _print_best(run, console)
    _print_files(run, console)
    console.print(Text.assemble("\nContinue with  ", (run.command(), "bold")), soft_wrap=True)


def _candidates(run: Run) -> Table:
    """All of them, or of many the best."""
    shown, title = run.candidates, f"{run.trained:,} trained candidates"
    if len(shown) > MOST + 1:
        ranked = sorted(shown, key=lambda row: (-(accuracy(row) or 0.0), row.number))
        shown, title = tuple(ranked[:MOST]), f"The best {MOST} of {title}"
    table = _table(title)
    for name in ("#", "from"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("edit", ratio=1)
    for name in ("validation\naccuracy", "gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for candidate in shown:
        result, better = candidate.result, run.gain(candidate)
        failed = result is not None and result.status != "ok"
        table.add_row(
            str(candidate.number),
            "" if candidate.parent is None else str(candidate.parent),
            _edit(candidate),
            Text(clean(result.status), "yellow") if result and failed else percent(accuracy(candidate)),
            Text(gain(better), "green" if better and better > 0 else "dim"),
            style="bold" if candidate is run.best else "",
        )
    return table


def _edit(candidate: Candidate) -> Text:
    """In one line, cut where it must be."""
    return Text(clean(candidate.description) or "the start tree", no_wrap=True, overflow="ellipsis")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, collapse_padding=True)


def _front(run: Run) -> Table:
    table = _table(f"Pareto front of {', '.join(run.objectives)}")
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("edit", ratio=1)
    for name in ("validation\naccuracy", "parameters", "multiply-\nadds", "ms an\nimage"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in run.front:
        latency = None if row.result is None else row.result.latency
        table.add_row(
            str(row.number),
            _edit(row),
            percent(accuracy(row)),
            count(row.verdict.parameters),
            count(row.verdict.multiply_adds),
            "" if latency is None else f"{1000 * latency:.3f}",
        )
    return table


def _fidelities(found: Sequence[Agreement]) -> Table:
    table = _table("Rank correlation of short trainings with longer ones")
    for name in ("epochs", "with", "candidates", "Kendall", "90 % interval", "Spearman"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in found:
        interval = f"{row.low:.2f} to {row.high:.2f}"
        numbers = str(row.epochs), str(row.later), str(row.candidates)
        table.add_row(*numbers, f"{row.kendall:.2f}", interval, f"{row.spearman:.2f}")
    return table


def _print_best(run: Run, console: Console) -> None:
    best = run.best
    assert best is not None
    console.print(Text.assemble("\n", (f"Best tree: candidate {best.number}", "bold")))
    try:
        tree, start = run.tree(best), run.tree(run.by_number[0])
        console.print(draw(lines(tree, run.library, run.input_shape, changed(start, tree), known_costs(run, tree))))
    except UserError as error:
        console.print(Text(f"cannot be drawn here: {clean(error, 400)}"))
    steps = Table.grid(padding=(0, 2))
    for candidate in run.lineage(best)[1:]:
        steps.add_row("", gain(run.gain(candidate)), Text(clean(candidate.description)))
    console.print(steps)
    after, before = run.final_accuracy(best.number), run.final_accuracy(0)
    if after is not None and before is not None and best.number:
        line = f"\nTest accuracy  {percent(after)}; the start tree, trained alike, {percent(before)}: "
        console.print(Text.assemble(line, (f"{gain(after - before)} points", "bold")))
    elif before is not None:
        console.print(Text(f"\nTest accuracy  {percent(before)}: no candidate is better than the start tree"))


def _print_files(run: Run, console: Console) -> None:
    here = run.directory
    files = {
        "report": here.report,
        "best tree": here.best_tree,
        "best model": here.best_model,
        "weights": here.root / "weights",
        "run database": here.database,
        "metrics": here.metrics,
        "logs": here.logs,
    }
    console.print(Text(f"\n{_cost(run)}\nIn {here.root}:"))
    for name, path in files.items():
        if path.exists():
            console.print(Text(f"  {name:<13} {path.relative_to(here.root)}"), soft_wrap=True)


def _cost(run: Run) -> str:
    cost = spent(run)
    words = [f"{duration(cost['seconds'])} in all, {duration(cost['training'])} of it training"]
    for model in cost["models"]:
        dollars = "price not known" if model["dollars"] is None else f"${model['dollars']:.4f}"
        tokens = model["input_tokens"] + model["output_tokens"]
        words.append(f"{clean(model['model'])}: {model['calls']:,} calls, {tokens:,} tokens, {dollars}")
    return "; ".join(words)
