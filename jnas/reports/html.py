"""The report of a run as one self-contained page: no script, no network, nothing of a run's text taken as markup."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from jnas.library.store import OWN_PREFIX
from jnas.reports import credit
from jnas.reports.changes import changed
from jnas.reports.costs import known_costs
from jnas.reports.markup import Markup, join, lines, tag
from jnas.reports.plots import over_candidates, over_time
from jnas.reports.run import Run, accuracy, blocks_of
from jnas.reports.style import PAGE
from jnas.reports.text import count, duration, gain, percent
from jnas.runs.configuration import to_toml
from jnas.runs.database import Candidate, Choice
from jnas.runs.directory import write_atomically
from jnas.trees.picture import lines as picture_lines
from jnas.trees.svg import svg
from translators.diagnostics import UserError

# Enforced by the browser, should an escape ever be missed: no script, no request, inline style alone.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write(run: Run, path: Path) -> None:
    """Write the page, whole or not at all. Raises UserError where `path` cannot be written."""
    text = page(run)
    try:
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); give another --out") from None


def page(run: Run) -> str:
    """The HTML text; the same run gives the same text."""
    title = f"jnas: {run.directory.root.name}"
    head = tag(
        "head",
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("title", title),
        tag("style", Markup(PAGE)),
    )
    sections = (
        _plots,
        _best_tree,
        _lineage,
        _front,
        _candidates,
        _credit,
        _why,
        _turned_down,
        _blocks,
        _choices,
        _phases,
        _settings,
    )
    body = tag("body", tag("main", _summary(run, title), *(section(run) for section in sections)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _summary(run: Run, title: str) -> Markup:
    best, settings = run.best, run.configuration
    tiles = [
        ("test, best tree", percent(run.final_accuracy(best.number) if best else None)),
        ("test, start tree", percent(run.final_accuracy(0))),
        ("validation, best tree", percent(accuracy(best) if best else None)),
        ("trained", f"{run.trained} of {settings.search.budget}"),
        ("turned down", len(run.attempts)),
        ("time", duration(sum(run.phases.values()))),
    ]
    note = "Test: accuracy after the same longer training of both trees, on images that the search never sees."
    ways = f"start {settings.start}, planner {settings.planner.name}, LLM {settings.llm.name}"
    return join(
        tag("h1", title),
        tag(
            "p", f"{', '.join(settings.sources) or 'our own blocks'} on {settings.dataset.name}, {ways}", class_="soft"
        ),
        tag("div", *(tag("div", name, tag("b", value), class_="tile") for name, value in tiles), class_="tiles"),
        tag("p", note, class_="soft"),
    )


def _plots(run: Run) -> Markup:
    key = (
        "Filled: better than its parent. Hollow: not better. Cross: failed. Line: best so far. Dashed: the start tree."
    )
    plots = tag("div", over_candidates(run), over_time(run), class_="plots")
    return _section("Accuracy", plots, tag("p", key, class_="soft"))


def _best_tree(run: Run) -> Markup:
    if run.best is None:
        return _section("Best tree", tag("p", "No candidate is trained yet."))
    intro = f"Candidate {run.best.number}, {run.best.tree_hash[:16]}. What differs from the start tree is marked."
    return _section("Best tree", tag("p", intro, class_="soft"), tag("div", _drawing(run, run.best), class_="scroll"))


def _drawing(run: Run, candidate: Candidate) -> Markup:
    """The tree as the terminal shows it, as SVG."""
    try:
        tree, start = run.tree(candidate), run.tree(run.by_number[0])
    except UserError as error:
        return tag("pre", f"The tree cannot be drawn here: {error}")
    picture = picture_lines(tree, run.library, run.input_shape, changed(start, tree), known_costs(run, tree))
    return Markup(svg(picture, f"candidate {candidate.number}"))


def _lineage(run: Run) -> Markup:
    if run.best is None:
        return Markup()
    steps = []
    for candidate in run.lineage(run.best):
        words = candidate.description or "the start tree"
        scores = f"#{candidate.number}, {percent(accuracy(candidate))}, {gain(run.gain(candidate))}"
        steps.append(tag("li", words, Markup(" "), tag("span", scores, class_="soft")))
    return _section("From the start tree to the best", tag("ol", *steps, start=0))


def _candidates(run: Run) -> Markup:
    rows = []
    for candidate in run.candidates:
        result, verdict = candidate.result, candidate.verdict
        status = "waiting" if result is None else "" if result.status == "ok" else f"failed: {result.status}"
        seconds = None if result is None else result.seconds_compile + result.seconds_train
        rows.append(
            (
                candidate.number,
                "" if candidate.parent is None else candidate.parent,
                candidate.description or "the start tree",
                run.turned_down(candidate),
                count(verdict.parameters),
                count(verdict.multiply_adds),
                status or percent(accuracy(candidate)),
                gain(run.gain(candidate)),
                duration(seconds),
            )
        )
    columns = "# | from | edit: | turned down | parameters | multiply-adds | accuracy | gain | training"
    caption = "Accuracy on validation, gain over the parent in points, proposals turned down before the candidate."
    return _section("Candidates", _table(caption, columns, rows, winner=run.best.number if run.best else None))


def _front(run: Run) -> Markup:
    if not run.front:
        return Markup()
    rows = []
    for row in run.front:
        latency = None if row.result is None else row.result.latency
        milliseconds = "" if latency is None else f"{1000 * latency:.3f}"
        counts = count(row.verdict.parameters), count(row.verdict.multiply_adds)
        rows.append((row.number, row.description or "the start tree", percent(accuracy(row)), *counts, milliseconds))
    caption = f"No candidate is better in one of {', '.join(run.objectives)} and worse in none."
    columns = "# | edit: | accuracy | parameters | multiply-adds | ms an image"
    return _section("Pareto front", _table(caption, columns, rows, winner=run.best.number if run.best else None))


def _why(run: Run) -> Markup:
    rows = [(row.number, row.plan["explanation"]) for row in run.candidates if row.plan and "explanation" in row.plan]
    caption = "What the planner believed: posterior means with 90 % intervals."
    table = _table(caption, "# | plan:", rows)
    return _section("Why these edits", tag("details", tag("summary", "a line for each candidate"), table))


def _credit(run: Run) -> Markup:
    found = credit.uses(run)
    if not found:
        return Markup()
    columns = " | ".join(("{}:", *credit.COLUMNS))
    texts = {idea.key: idea.text for idea in run.ideas}
    ideas = [(texts.get(row.name, row.name), row.name, *row.cells()[1:]) for row in credit.by_idea(found)]
    note = (
        "An idea is drawn once in a slot; brackets are 90 % intervals. Passed: of the drawn ones. "
        "Better than the parent: of those that passed."
    )
    return _section(
        "Design knowledge",
        tag("p", note, class_="soft"),
        _table("Stages of the rounds.", columns.format("stage"), [row.cells() for row in credit.by_stage(found)]),
        _table("Ideas by category.", columns.format("category"), [row.cells() for row in credit.by_category(found)]),
        tag(
            "details",
            tag("summary", "every idea that was drawn"),
            _table("Ideas.", f"idea: | {columns.format('place')}", ideas),
        ),
    )


def _turned_down(run: Run) -> Markup:
    counts = Counter((attempt.reason, attempt.kind, attempt.way) for attempt in run.attempts)
    rows = [(reason, kind, way, number) for (reason, kind, way), number in counts.most_common()]
    caption = "Proposals that the gate turned down; they are not trained and do not count."
    return _section("Turned down", _table(caption, "reason: | edit kind: | way: | proposals", rows))


def _blocks(run: Run) -> Markup:
    uses: Counter[str] = Counter()
    best: dict[str, float] = {}
    for candidate in run.candidates:
        for name in set(blocks_of(candidate.tree)):
            uses[name] += 1
            best[name] = max(best.get(name, 0.0), accuracy(candidate) or 0.0)
    rows = []
    for name, number in sorted(uses.items(), key=lambda item: (-item[1], item[0])):
        block = run.library.get(name)
        origin = block.provenance if block else {}
        source = " ".join(str(origin.get(key, "")) for key in ("package", "version", "path")).strip()
        where = f"{source}:{origin['lines'][0]}" if origin.get("lines") else source
        own = "jnas" if name.startswith(OWN_PREFIX) else "not in a library on this machine"
        licence = origin.get("licence") or ("Apache-2.0" if name.startswith(OWN_PREFIX) else "-")
        family = block.family if block else "-"
        compared = _compared(block.verification if block else {})
        rows.append((name, number, percent(best[name]), family, where or own, licence, compared))
    columns = "block: | candidates | best accuracy | family: | where it was mined: | licence: | against PyTorch:"
    return _section("Blocks", _table("Blocks of all candidates' trees.", columns, rows))


def _compared(found: Mapping[str, Any]) -> str:
    """What the comparison with PyTorch found (see jnas.library.verification)."""
    if found.get("status") != "right":
        return found.get("status", "-")
    worst = max(found[name] or 0.0 for name in ("output_diff", "gradient_diff", "train_diff"))
    return f"right, {worst:.1g} apart at most"


def _choices(run: Run) -> Markup:
    asked: dict[str, list[Choice]] = defaultdict(list)
    for choice in run.choices:
        asked[choice.source].append(choice)
    rows = [
        (
            source,
            len(found),
            duration(fmean(choice.seconds for choice in found)),
            sum(choice.tokens for choice in found),
        )
        for source, found in sorted(asked.items())
    ]
    problems = Counter(choice.problem for choice in run.choices if choice.source == "fallback").most_common(5)
    return _section(
        "Choices",
        _table("Who settled what the planner left open.", "by: | questions | mean time | tokens", rows),
        *([_table("Why answers became uniform draws.", "problem: | questions", problems)] if problems else []),
    )


def _phases(run: Run) -> Markup:
    total = sum(run.phases.values()) or 1.0
    rows = [(name, duration(seconds), f"{100 * seconds / total:.1f} %") for name, seconds in run.phases.items()]
    return _section(
        "Where the time went", _table("Seconds over all starts of this run.", "phase: | time | share", rows)
    )


def _settings(run: Run) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return _section(
        "Configuration",
        tag("p", "Continue with: ", tag("code", run.command())),
        tag("p", versions, class_="soft"),
        tag("details", tag("summary", "every field"), tag("pre", lines(to_toml(run.configuration)))),
    )


def _section(title: str, *content: Markup) -> Markup:
    return tag("section", tag("h2", title), *content)


def _table(caption: str, columns: str, rows: Sequence[Sequence[object]], winner: int | None = None) -> Markup:
    """`columns` are separated by `|`; those that end in `:` hold words, the others numbers."""
    if not rows:
        return tag("p", f"{caption} None yet.", class_="soft")
    names = [name.strip() for name in columns.split("|")]
    kinds = ["words" if name.endswith(":") else "number" for name in names]
    head = [tag("th", name.rstrip(":"), scope="col", class_=kind) for name, kind in zip(names, kinds, strict=True)]
    body = []
    for row in rows:
        cells = [tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]
        body.append(tag("tr", *cells, class_="winner" if winner is not None and row[0] == winner else "row"))
    table = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", table, class_="scroll")
