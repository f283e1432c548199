"""Design knowledge: make it from papers, show it, count it. python -m jnas.knowledge --help"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jnas.knowledge.ideas import STARTER_NAME, Idea, read_ideas, write_ideas
from jnas.knowledge.sources import read_documents
from jnas.knowledge.structuring import Estimate, estimate, ideas_in, merged, question
from jnas.knowledge.template import template
from jnas.resolving.asking import ModelChooser
from jnas.resolving.budget import BudgetSpent, Limits
from jnas.resolving.choosers import make_chooser
from jnas.resolving.prices import AS_OF, Price
from jnas.resolving.questions import mistake
from jnas.resolving.transcript import Exchange, Transcript
from translators.diagnostics import UserError

SEED = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when done; 2 for bad input; 75 when a cap came first, and the same command goes on."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def build(options: argparse.Namespace) -> int:
    """Ask about every document, merge what is new into the file, say what it took."""
    out, console = Path(options.out), Console()
    if not out.resolve().parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}; make it first")
    documents = read_documents(options.sources)
    base = read_ideas(options.base) if options.base else ()
    known = read_ideas(str(out)) if out.is_file() else ()
    record = out.with_suffix(".transcript.jsonl")
    transcript = Transcript(_exchanges(record), lambda exchange: _append(record, exchange))
    limits = Limits(options.calls, options.tokens, options.dollars)
    chooser = make_chooser(options.llm, transcript, limits, thinking=options.thinking)
    if not isinstance(chooser, ModelChooser):
        raise UserError("--llm none: a language model has to read the documents; give --llm gemini or local")
    questions = [question(document, template()) for document in documents]
    to_ask = [asked for asked in questions if not chooser.knows(asked, SEED)]
    _print_estimate(console, estimate(to_ask), len(documents), chooser.name, chooser.price, chooser.thinking)
    if options.dry_run:
        return 0
    found: list[Idea] = []
    kept, unanswered, invalid, spent = 0, 0, 0, ""
    try:
        for document, asked in zip(documents, questions, strict=True):
            choice = chooser.choose(asked, SEED)
            if choice.problem:
                unanswered += 1
                continue
            if mistake(asked, choice.values):
                invalid += 1
                continue
            ideas = ideas_in(choice.values, document)
            kept += bool(ideas)
            found += ideas
    except BudgetSpent as error:
        spent = str(error)
    everything = merged((*base, *known, *found))
    write_ideas(everything, out)
    console.print(
        f"{out}: {len(everything)} ideas, {len(found)} from {kept} of {len(documents)} documents, "
        f"{len(base) + len(known) + len(found) - len(everything)} said twice, {unanswered} without an answer, "
        f"{invalid} with an invalid one; "
        f"{chooser.spent}",
        soft_wrap=True,
        highlight=False,
    )
    if spent:
        print(f"{spent}: with a higher cap the same command goes on from here", file=sys.stderr)
    elif unanswered:
        print(f"{unanswered} documents have no answer: the same command asks about them again", file=sys.stderr)
    return os.EX_TEMPFAIL if spent or unanswered else 0


def show(options: argparse.Namespace) -> int:
    """The ideas, by sub-category."""
    ideas, console = read_ideas(options.knowledge), Console()
    subs = [sub for key, sub in template().subs.items() if options.place in key]
    if not subs:
        raise UserError(f"{options.place}: no such category or sub-category; python -m jnas.knowledge stats lists them")
    for sub in subs:
        console.print(Text(f"{sub.key}: {sub.definition}", "bold"), soft_wrap=True)
        for idea in ideas:
            if idea.place == sub.key:
                origin = ", ".join(str(idea.source[name]) for name in ("title", "year", "path") if name in idea.source)
                console.print(Text(f"  {idea.text} ({origin})"), soft_wrap=True)
    return 0


def stats(options: argparse.Namespace) -> int:
    """How many ideas every sub-category has, and from how many sources."""
    ideas = read_ideas(options.knowledge)
    counted = Counter(idea.place for idea in ideas)
    sources = {key: {idea.source.get("title") for idea in ideas if idea.place == key} for key in template().subs}
    table = Table(title=f"{len(ideas)} ideas, {options.knowledge}", title_justify="left")
    for name in ("level", "category", "sub-category"):
        table.add_column(name)
    for name in ("ideas", "sources"):
        table.add_column(name, justify="right")
    for category in template().categories:
        for sub in category.subs:
            empty = "" if counted[sub.key] else "yellow"
            row = (category.level, category.name, sub.name, str(counted[sub.key]), str(len(sources[sub.key])))
            table.add_row(*row, style=empty)
    Console().print(table)
    missing = [key for key in template().subs if not counted[key]]
    if missing:
        print(f"without ideas: {', '.join(missing)}")
    return 0


def _print_estimate(
    console: Console, found: Estimate, documents: int, model: str, price: Price | None, thinking: int
) -> None:
    if price is None:
        dollars = f"price not known ({AS_OF})"
    else:
        least = price.dollars(found.input_tokens, found.output_tokens)
        most = price.dollars(found.input_tokens, found.output_tokens + found.questions * thinking)
        dollars = f"${least:.4f}" + (f" to {most:.4f} with thoughts" if most > least else "")
    console.print(
        f"{documents} documents, {found.questions} still to ask {model}: about {found.input_tokens:,} input and "
        f"{found.output_tokens:,} output tokens, {dollars}",
        soft_wrap=True,
        highlight=False,
    )


def _exchanges(record: Path) -> Iterator[Exchange]:
    """What was answered before, failures left out; a last line that a killed process left torn was never used."""
    if record.is_file():
        lines = record.read_text(encoding="utf-8").split("\n")
        for line in lines[:-1]:
            exchange = Exchange(**json.loads(line))
            if not exchange.reply["problem"]:
                yield exchange


def _append(record: Path, exchange: Exchange) -> None:
    """Durable before the answer is used, so that what was paid is not asked again."""
    with record.open("a+b") as file:
        if file.tell() and not record.read_bytes().endswith(b"\n"):
            file.truncate(record.read_bytes().rfind(b"\n") + 1)
        file.write(json.dumps(asdict(exchange)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jnas.knowledge",
        description=(__doc__ or "").splitlines()[0],
        epilog="example: python -m jnas.knowledge show",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "build",
        help="let a language model find ideas in documents",
        epilog="example: python -m jnas.knowledge build papers --out ideas.jsonl --dry-run",
    )
    command.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="files or folders: .md .txt .bib .json .jsonl .pdf"
    )
    command.add_argument("--out", required=True, metavar="FILE", help="the ideas, .jsonl; what is there is kept")
    command.add_argument("--base", metavar="NAME|FILE", help=f"ideas to add to, such as {STARTER_NAME}")
    command.add_argument("--llm", default="auto", metavar="NAME", help="as for jnas.search")
    command.add_argument("--thinking", type=int, default=0, metavar="N", help="tokens to think before an answer")
    command.add_argument("--calls", type=int, metavar="N", help="stop after so many calls")
    command.add_argument("--tokens", type=int, metavar="N", help="stop after so many tokens")
    command.add_argument("--dollars", type=float, metavar="X", help="stop after so many dollars")
    command.add_argument("--dry-run", action="store_true", help="say what it would cost, and ask nothing")
    command.set_defaults(run=build)
    showing = commands.add_parser(
        "show", help="list ideas with where they come from", epilog="example: python -m jnas.knowledge show mixing"
    )
    showing.add_argument("place", nargs="?", default="", help="a category, or category/sub-category")
    showing.set_defaults(run=show)
    counting = commands.add_parser(
        "stats", help="count the ideas of every sub-category", epilog="example: python -m jnas.knowledge stats"
    )
    counting.set_defaults(run=stats)
    for reading in (showing, counting):
        reading.add_argument("--knowledge", default=STARTER_NAME, metavar="NAME|FILE", help=f"default: {STARTER_NAME}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
