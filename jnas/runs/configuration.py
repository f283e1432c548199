"""The configuration of a run: frozen values, read from TOML, checked key by key."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from translators.diagnostics import UserError

BUILT_IN = Path(__file__).resolve().parent.parent / "configurations"
NOT_IDENTITY = (
    "search.budget",
    "search.workers",
    "search.compilers",
    "search.pool",
    "search.hours",
    "llm.calls",
    "llm.tokens",
    "llm.dollars",
    "llm.calls_per_minute",
)  # may change between the starts of one run


@dataclass(frozen=True)
class DatasetSettings:
    name: str = "fashion_mnist_small"  # embedded; or a name of tfds, imagenet16_120, folder:PATH
    data_dir: str | None = None  # where prepared sets lie; None: where tfds keeps them
    validation: float | int = 0.1  # fraction or number of the training images that is held out
    seed: int = 0  # of the split
    splits: str | None = None  # a file of the official splits of NAS-Bench-201, instead of `validation`
    size: int | None = None  # pixels of a side to which images are brought
    stream: bool = False  # images stay on disk: for sets larger than the device's memory


@dataclass(frozen=True)
class PlannerSettings:
    name: str = "hierarchical"  # one of planners.PLANNERS
    top_k: int = 5  # so many of the best may be parents
    epsilon: float = 0.5  # of thompson: the chance that a level is drawn uniformly
    diversity: float = 0.5  # of hierarchical: the weight of being unlike the archive when the search is stuck
    objectives: tuple[str, ...] = ("accuracy",)  # and parameters, multiply_adds, latency (planners.TRADING)
    knowledge: str | None = None  # ideas of fairnad, hierarchical: "starter" (fairnad has it anyway) or a file
    stages: tuple[int, ...] = (8, 8, 4)  # of fairnad: attribute-fair, Pareto-aware and iterative candidates of a round


@dataclass(frozen=True)
class LanguageModelSettings:
    name: str = "auto"  # none, local, local:PATH, gemini, gemini:MODEL, replay:RUN
    proposer: str = "edits"  # what the model settles: edits among listed options, or "code": it writes blocks
    calls: int | None = None  # caps of the run; at one of them the search ends as if its budget were spent
    tokens: int | None = None  # the same for input, thoughts and answers together
    dollars: float | None = None  # the same, by a dated table of prices
    calls_per_minute: float | None = None  # the rate of questions
    thinking: int = 1024  # tokens that Gemini may think before an answer


@dataclass(frozen=True)
class Caps:
    parameters: int = 1_500_000  # of a candidate
    multiply_adds: int = 200_000_000  # of convolutions and matrix products, for one image
    memory: float | None = None  # GiB of a training step, estimated from above
    repair: bool = False  # make a proposal over the caps narrower until it keeps them


@dataclass(frozen=True)
class EvaluationSettings:
    recipe: str = "quick"  # of candidates: one of recipes.RECIPES or a .toml file
    epochs: int | None = None  # None: what the recipe says
    prefilter: str = ""  # naswot, parameters or multiply_adds: only the best share `keep` of a round trains at all
    rungs: tuple[int, ...] = ()  # epochs after which only the best share `keep` of a round goes on; the last is the end
    keep: float = 1 / 3  # of a round, at least one candidate
    time_limit: float = 600.0  # seconds, compilation included
    memory_limit: float = 8.0  # GiB of all processes of a candidate together
    cores: int | None = None  # of a CPU, for each worker; None: all of them


@dataclass(frozen=True)
class FinalSettings:
    recipe: str = "quick"  # of the longer training
    epochs: int | None = None  # None: what the recipe says
    seeds: tuple[int, ...] = (777,)  # one training each
    candidates: int = 1  # so many of the best are trained longer; validation chooses among them, then test is looked at
    time_limit: float = 3600.0  # seconds of each


@dataclass(frozen=True)
class SearchSettings:
    budget: int = 16  # trained candidates, the start tree not counted
    round_size: int = 1  # proposals planned from the same history
    workers: int = 1  # candidates trained at a time
    pool: str = "local"  # or "ray" for a cluster of this machine alone, "ray:ADDRESS" for one that runs
    seed: int = 0  # of everything that is drawn
    compilers: int = 0  # processes that compile what waits for a worker of this machine
    hours: float | None = None  # after so many, all starts of the run together, no more rounds begin


@dataclass(frozen=True)
class Configuration:
    sources: tuple[str, ...] = ("timm",)  # installed packages, folders, files, archives: mined for blocks
    start: str = "resnet8"  # a start tree, SOURCE:MODEL, or a tree's JSON file
    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    planner: PlannerSettings = field(default_factory=PlannerSettings)
    llm: LanguageModelSettings = field(default_factory=LanguageModelSettings)
    caps: Caps = field(default_factory=Caps)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    final: FinalSettings = field(default_factory=FinalSettings)
    search: SearchSettings = field(default_factory=SearchSettings)


# Lower bounds of the numbers, inclusive; a fraction also has an upper one.
BOUNDS: dict[str, tuple[float, float]] = {
    "dataset.validation": (0, float("inf")),
    "dataset.size": (8, 224),
    "planner.top_k": (1, float("inf")),
    "planner.epsilon": (0, 1),
    "planner.diversity": (0, float("inf")),
    "llm.calls": (0, float("inf")),
    "llm.tokens": (0, float("inf")),
    "llm.dollars": (0, float("inf")),
    "llm.calls_per_minute": (1e-3, float("inf")),
    "llm.thinking": (0, 65_536),
    "caps.parameters": (1, float("inf")),
    "caps.multiply_adds": (1, float("inf")),
    "caps.memory": (0, float("inf")),
    "evaluation.epochs": (1, float("inf")),
    "evaluation.keep": (0, 1),
    "evaluation.time_limit": (1, float("inf")),
    "evaluation.memory_limit": (1, float("inf")),
    "evaluation.cores": (1, 1024),
    "final.epochs": (1, float("inf")),
    "final.candidates": (1, float("inf")),
    "final.time_limit": (1, float("inf")),
    "search.budget": (1, float("inf")),
    "search.round_size": (1, 1024),
    "search.workers": (1, 1024),
    "search.compilers": (0, 1024),
    "search.seed": (0, float("inf")),
    "search.hours": (0, float("inf")),
}


def load(name_or_path: str, overrides: Sequence[str] = ()) -> Configuration:
    """A built-in configuration by name, or a TOML file; then `key=value` overrides such as `search.budget=32`.

    Raises UserError naming the key, the value and what was expected.
    """
    values, origin = _read(name_or_path)
    configuration = _build(Configuration, values, "", origin)
    for override in overrides:
        origin = f"--set {override}"
        key, equals, text = override.partition("=")
        if not equals:
            raise UserError(f"{origin}: expected KEY=VALUE, for example --set search.budget=32")
        _put(values, key.strip(), _parse(text.strip()), origin)
        configuration = _build(Configuration, values, "", origin)
    return configuration


def names() -> tuple[str, ...]:
    """The built-in configurations."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def to_plain(configuration: Configuration) -> dict[str, Any]:
    """Nested dicts and lists, as JSON and TOML know them."""
    return dataclasses.asdict(configuration)


def from_plain(values: Mapping[str, Any], origin: str) -> Configuration:
    """The inverse of `to_plain`, with every check of `load`; `origin` is named in errors."""
    return _build(Configuration, values, "", origin)


def flat(configuration: Configuration) -> dict[str, Any]:
    """Every field by its dotted key."""
    return dict(_flat(to_plain(configuration), ""))


def to_toml(configuration: Configuration) -> str:
    """The text of a file that loads to the same configuration."""
    plain = to_plain(configuration)
    lines = [f"{key} = {_toml_value(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    for section, values in plain.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_toml_value(value)}" for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def difference(old: Configuration, new: Configuration) -> tuple[str, Any, Any] | None:
    """The first field of a run's identity in which two configurations differ: (key, old, new)."""
    before, after = flat(old), flat(new)
    for key in before:
        if key not in NOT_IDENTITY and before[key] != after[key]:
            return key, before[key], after[key]
    return None


def _read(name_or_path: str) -> tuple[dict[str, Any], str]:
    path = BUILT_IN / f"{name_or_path}.toml"
    if not path.is_file():
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise UserError(
                f"--config {name_or_path}: neither a built-in configuration nor a .toml file"
                f"{_suggestion(name_or_path, names())}; built in: {', '.join(names())}"
            )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); give an existing file"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from None


def _parse(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # --set llm.name=none reads better than --set 'llm.name="none"'


def _put(values: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise UserError(f"{origin}: {section} is a value, not a section{_suggestion(key, flat(Configuration()))}")
    values[last] = value


def _build(cls: type, values: Mapping[str, Any], prefix: str, origin: str) -> Any:
    kinds = typing.get_type_hints(cls)
    built = {}
    for name, value in values.items():
        key = prefix + name
        if name not in kinds:
            siblings = [prefix + sibling for sibling in kinds]
            hint = _suggestion(key, [*siblings, *flat(Configuration())]) or f"; known here: {', '.join(siblings)}"
            raise UserError(f"{origin}: unknown key {key}{hint}")
        if dataclasses.is_dataclass(kinds[name]):
            if not isinstance(value, Mapping):
                raise UserError(f"{origin}: {key} = {value!r}: expected a section [{key}] of keys")
            built[name] = _build(typing.cast(type, kinds[name]), value, key + ".", origin)
        else:
            built[name] = _convert(kinds[name], value, key, origin)
    return cls(**built)


def _convert(kind: Any, value: Any, key: str, origin: str) -> Any:
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and type(None) in options:
        return None
    kind = next(option for option in options if option is not type(None))
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        if not isinstance(value, list | tuple) or not all(_is(inner, item) for item in value):
            raise UserError(f"{origin}: {key} = {value!r}: expected a list, each item {_word(inner)}")
        return tuple(value)
    if not _is(kind, value):
        raise UserError(f"{origin}: {key} = {value!r}: expected {_word(kind)}")
    low, high = BOUNDS.get(key, (float("-inf"), float("inf")))
    if isinstance(value, int | float) and not low <= value <= high:
        bound = f"at least {low:g}" if high == float("inf") else f"a number from {low:g} to {high:g}"
        raise UserError(f"{origin}: {key} = {value!r}: expected {bound}")
    return float(value) if kind is float and int not in options else value


def _is(kind: type, value: Any) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def _word(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[kind]


def _suggestion(word: str, known: Any) -> str:
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 else "\\" + c if c in '"\\' else c for c in value)
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)
