"""Write docs/reference out of the code: commands, library, configuration, error messages.

python tools/document.py            # writes what has changed
python tools/document.py --check    # writes nothing; exits with 1 when a page is not what the code says
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import jnas  # noqa: E402
from jnas import api  # noqa: E402
from jnas.__main__ import COMMANDS  # noqa: E402
from jnas.runs import configuration  # noqa: E402
from jnas.runs.configuration import BOUNDS, BUILT_IN, NOT_IDENTITY, Configuration, names  # noqa: E402
from jnas.training import recipe_files, recipes  # noqa: E402

FOLDER = ROOT / "docs" / "reference"
COMMANDS_HEAD = """# Commands

<!-- Written by tools/document.py. -->

`jnas COMMAND` is the same as `python -m jnas.COMMAND`. Exit codes of all of them: 0 done, 2 bad input, said in one
line; others are named where they occur.
"""
LIBRARY_HEAD = """# Library

<!-- Written by tools/document.py. -->

`from jnas import run_search, mine_source, ...`: what notebooks and programs use. Importing `jnas` loads nothing; each
name is loaded when it is asked for. Bad input raises `UserError`, whose message is one line. Other modules keep their
names, and may change.
"""
CONFIGURATION_HEAD = """# Configuration

<!-- Written by tools/document.py. -->

A run is described by a TOML file: a built-in one by name (`--config quickstart`) or your own (`--config my.toml`). What
a file leaves out has the default; `--set KEY=VALUE` overrides any field. An unknown key, a value of another type or one
out of range is one line that names the nearest known key. A run that is continued must have the configuration that it
began with, but for the fields with a ↻, which may change between its starts.

## Built in
"""
RECIPE_FILES = """
A recipe file holds the same keys, and `{base}` for the recipe from which it departs ([how](../howto/recipe.md)).
"""
ERRORS_HEAD = """# Error messages

<!-- Written by tools/document.py. -->

Every message with which a command ends when its input is bad (exit code 2), as the code has it: `…` and words in
italics stand for what is put in. [Troubleshooting](../troubleshooting.md) says more about those that are met most.
"""
AREAS = {  # rooms by what people do there, in the order of the page
    "Sources, mining, translating": ("translators", "jnas/library", "jnas/mine.py", "jnas/models"),
    "Configuration and runs": ("jnas/runs", "jnas/searching", "jnas/planning", "jnas/evaluation", "jnas/preflight.py"),
    "Data and training": ("jnas/training", "jnas/train.py"),
    "Trees, reports, export": ("jnas",),
    "Language model and ideas": ("jnas/resolving", "jnas/knowledge"),
    "Benchmarks": ("jnas/benchmarks",),
}


def main() -> int:
    """0; with --check 1 when a page is out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a page would change")
    check = parser.parse_args().check
    stale = [name for name, text in pages().items() if _text(FOLDER / name) != text]
    for name in stale:
        print(
            f"docs/reference/{name}: {'not what the code says; run python tools/document.py' if check else 'written'}"
        )
        if not check:
            FOLDER.mkdir(exist_ok=True)
            (FOLDER / name).write_text(pages()[name], encoding="utf-8")
    return 1 if check and stale else 0


def pages() -> Mapping[str, str]:
    """File name in docs/reference -> what it should hold."""
    return {
        "commands.md": commands(),
        "library.md": library(),
        "configuration.md": settings(),
        "errors.md": errors(),
    }


# Commands


class _Found(BaseException):
    """Thrown by a parser that was about to parse: not an Exception, so that no command handles it."""


def parser_of(module: str) -> argparse.ArgumentParser:
    """The parser with which `main` of a command line reads its arguments; nothing else of the command runs."""

    def found(parser: argparse.ArgumentParser, *_: object) -> typing.NoReturn:
        raise _Found(parser)

    command = importlib.import_module(module)
    with mock.patch.object(argparse.ArgumentParser, "parse_known_args", found):
        try:
            command.main([])
        except _Found as caught:
            return caught.args[0]
    raise AssertionError(f"{module}.main parses no arguments")


def commands() -> str:
    """docs/reference/commands.md."""
    page = [COMMANDS_HEAD]
    for name in COMMANDS:
        module = f"jnas.{name}"
        if (ROOT / "jnas" / name).is_dir():
            module += ".__main__"
        page += _command(f"jnas {name}", parser_of(module), f"{COMMANDS[name][0].upper()}{COMMANDS[name][1:]}.")
    page += _command("python -m translators", parser_of("translators.__main__"), "")
    return "\n".join(page)


def _command(name: str, parser: argparse.ArgumentParser, purpose: str, level: str = "##") -> Iterator[str]:
    yield f"{level} {name}\n"
    if purpose:
        yield f"{purpose}\n"
    positional: list[argparse.Action] = []
    optional: list[argparse.Action] = []
    verbs: dict[str, tuple[str, argparse.ArgumentParser]] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            verbs = {verb: (told.get(verb, ""), inner) for verb, inner in action.choices.items()}
        elif not isinstance(action, argparse._HelpAction):
            (optional if action.option_strings else positional).append(action)
    if positional or optional:
        yield "| option | meaning |\n|---|---|"
        for action in (*positional, *optional):
            yield f"| {_option(action)} | {_meaning(action)} |"
        yield ""
    notes = parser.epilog or (parser.description or "").partition("\n\n")[2]
    if notes:
        yield f"```text\n{(notes % {'prog': name}).strip()}\n```\n"
    for verb, (told, inner) in verbs.items():
        yield from _command(f"{name} {verb}", inner, f"{told[:1].upper()}{told[1:]}." if told else "", "###")


def _option(action: argparse.Action) -> str:
    metavars = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,) * _times(action.nargs)
    values = [word or (" or ".join(map(str, action.choices)) if action.choices else action.dest) for word in metavars]
    many = " ..." if action.nargs in ("+", "*") else ""
    words = " ".join([*action.option_strings[-1:], *values]) + many
    return f"`{words}`".replace("|", "\\|")


def _times(nargs: int | str | None) -> int:
    return nargs if isinstance(nargs, int) else 1


def _meaning(action: argparse.Action) -> str:
    told = (action.help or "") % {**vars(action), "prog": ""}
    given = action.default not in (None, False, [], "", argparse.SUPPRESS) and "default" not in told
    default = " ".join(map(str, action.default)) if isinstance(action.default, list | tuple) else action.default
    facts = [told, *(["repeatable"] if isinstance(action, argparse._AppendAction) and "repeatable" not in told else [])]
    facts += [f"default: `{default}`"] if given and action.option_strings else []
    facts += ["required"] if action.required and action.option_strings else []
    return "; ".join(fact for fact in facts if fact).replace("|", "\\|")


# Library


def library() -> str:
    """docs/reference/library.md."""
    page = [LIBRARY_HEAD]
    source = ast.parse(_text(Path(api.__file__)))
    functions = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
    for name in jnas.__all__:
        value = getattr(api, name)
        page.append(f"## {name}\n")
        if name in functions:
            returns = ast.unparse(functions[name].returns)  # type: ignore[arg-type]
            page.append(f"```python\n{name}({ast.unparse(functions[name].args)}) -> {returns}\n```\n")
        elif not isinstance(value, type):
            page.append(f"```python\n{name}{inspect.signature(value)}\n```\n".replace("'", ""))
        page.append(_prose(inspect.getdoc(value) or ""))
    return "\n".join(page)


def _prose(text: str) -> str:
    """A docstring whose examples are blocks of code."""
    words, marks, examples = text.partition("\n>>> ")
    return f"{words.rstrip()}\n" + (f"\n```pycon\n{marks.strip()} {examples.rstrip()}\n```\n" if marks else "")


# Configuration


def settings() -> str:
    """docs/reference/configuration.md."""
    page = [CONFIGURATION_HEAD]
    for name in names():
        page += [f"### {name}\n", *_head(_text(BUILT_IN / f"{name}.toml"))]
    page += ["## At the top\n", *_fields(Configuration, "")]
    kinds = typing.get_type_hints(Configuration)
    for field in fields(Configuration):
        if is_dataclass(kinds[field.name]):
            page += [f"## [{field.name}]\n", *_fields(typing.cast(type, kinds[field.name]), f"{field.name}.")]
    page += ["## Recipes\n", _recipes()]
    return "\n".join(page)


def _head(text: str) -> Iterator[str]:
    """The comment at the top of a configuration: what it is, then command, duration, hardware, what to expect."""
    lines = [line.lstrip("# ").rstrip() for line in text.partition("\n\n")[0].splitlines()]
    facts = [found.groups() for line in lines if (found := re.fullmatch(r"(\w+): +(.+)", line))]
    yield " ".join(line for line in lines if not re.match(r"\w+: ", line)).strip() + "\n"
    yield "| | |\n|---|---|"
    yield from (f"| {key} | {value} |" for key, value in facts)
    yield ""


def _fields(cls: type, prefix: str) -> Iterator[str]:
    told, kinds = comments(cls), typing.get_type_hints(cls)
    yield "| key | type | default | range | meaning |\n|---|---|---|---|---|"
    for field in fields(cls):
        if is_dataclass(kinds[field.name]):
            continue
        key = prefix + field.name
        bounds = _range(*BOUNDS[key]) if key in BOUNDS else ""
        mark = " ↻" if key in NOT_IDENTITY else ""
        kind = str(field.type).replace("|", "or").replace("tuple[", "list of ").replace(", ...]", "")
        yield f"| `{key}`{mark} | {kind} | {_value(field.default)} | {bounds} | {told[field.name]} |"
    yield ""


def comments(cls: type) -> dict[str, str]:
    """Field -> the comment behind it in the source, in one line."""
    source = Path(typing.cast(str, configuration.__file__)).read_text(encoding="utf-8")
    body = source.partition(f"class {cls.__name__}:\n")[2].partition("\n\n\n")[0]
    return {name: text.strip() for name, text in re.findall(r"^    (\w+): [^#\n]*(?:#(.*))?$", body, re.MULTILINE)}


def _range(low: float, high: float) -> str:
    low_text, high_text = (f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" for bound in (low, high))
    return f"from {low_text}" if high == float("inf") else f"{low_text} to {high_text}"


def _value(value: object) -> str:
    if value is None or value is MISSING:
        return ""
    return f"`{configuration._toml_value(value)}`"


def _recipes() -> str:
    """Fields of a recipe and the values of the built-in ones."""
    known = recipes.RECIPES
    text = (recipes.Recipe.__doc__ or "").replace("\n    ", "\n")
    lines = [
        f"{text.strip()}\n{RECIPE_FILES.format(base=recipe_files.BASE)}",
        "| key | type | range | " + " | ".join(f"`{name}`" for name in known) + " |",
        "|---|---|---|" + "---|" * len(known),
    ]
    for field in fields(recipes.Recipe):
        choices = ", ".join(recipe_files.CHOICES.get(field.name, ()))
        bounds = _range(*recipe_files.BOUNDS[field.name]) if field.name in recipe_files.BOUNDS else choices
        values = " | ".join(f"{getattr(recipe, field.name)}" for recipe in known.values())
        lines.append(f"| `{field.name}` | {field.type} | {bounds} | {values} |")
    return "\n".join(lines) + "\n"


# Error messages


def errors() -> str:
    """docs/reference/errors.md."""
    found = sorted({(path, text) for path, text in messages() if len(re.sub(r"…|\W", "", text)) > 8})
    page = [ERRORS_HEAD]
    for area in AREAS:
        page += [f"## {area}\n", "| message | raised in |\n|---|---|"]
        page += [f"| {_shown(text)} | `{path}` |" for path, text in found if area_of(path) == area]
        page.append("")
    return "\n".join(page)


def area_of(path: str) -> str:
    """The area whose room fits best."""
    fitting = [
        (len(room), area) for area, rooms in AREAS.items() for room in rooms if f"{path}/".startswith(f"{room}/")
    ]
    return max(fitting)[1]


def messages() -> Iterator[tuple[str, str]]:
    """Path and template of every `UserError(...)` of the packages."""
    for package in ("jnas", "translators"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(_text(path))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError" and node.args:
                    yield path.relative_to(ROOT).as_posix(), _template(node.args[0])


def _template(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value)
        case ast.JoinedStr(values=values):
            return "".join(map(_template, values))
        case ast.FormattedValue(value=ast.Name(id=name)) if name.islower():
            return f"\0{name.strip('_')}\0"
        case ast.FormattedValue(value=ast.Attribute(attr=name)) if name.islower():
            return f"\0{name.strip('_')}\0"
    return "…"


def _shown(template: str) -> str:
    escaped = re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", template).replace("\n", " ")
    return re.sub("\0(.*?)\0", lambda found: f"*{found[1]}*", escaped)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main())
