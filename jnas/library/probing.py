"""What a translated class is, found by executing it abstractly: its family, contract and the values of its parameters.

`python -m jnas.library.probing` is the worker: one JSON job per line in, one JSON answer per line out (see workers.py).
"""

from __future__ import annotations

import inspect
import json
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax

from jnas.library.binding import contract_of
from jnas.library.block import Block, Contract, Parameter
from jnas.library.contracts import NotPlaceable, find_contract, fits
from jnas.library.domains import with_domains
from jnas.library.execution import Example, Failure, executes_eagerly, first_line
from jnas.library.experiments import IMAGES, Experiment, find_start
from jnas.library.families import family_of, observe
from jnas.library.hypotheses import default_value, role_of, value_at
from jnas.library.store import block_to_json, load_class, tuples
from translators import Argument, Refused
from translators.limits import LimitExceeded, collecting_rarely, limited

TIME_LIMIT = 30.0  # seconds of processor time for one class: a busy machine changes no outcome
FEW = 2  # layers of a deep block that are explored
MEMORY_LIMIT = 2 << 30  # bytes of address space that a worker may add to what it has after its imports


@dataclass(frozen=True)
class Probe:
    """Outcome for a class: `status` is placeable, executed, refused or crashed; `reason` says why it is not more."""

    name: str
    status: str
    reason: str = ""
    code: str | None = None
    block: Block | None = None
    example: Example | None = None  # None where it does not execute


def probe(cls: type, name: str, arguments: Sequence[Argument], calls: Sequence[Mapping[str, Any]] = ()) -> Probe:
    """Find the contract of `cls`, whose constructor takes `arguments`, by executing it abstractly.

    `calls` are literal arguments that call sites pass. What is deep by default is explored with few layers first, and
    its contract confirmed once at its own depth.
    """
    arguments = [*arguments, *_passed_on(arguments, calls)]
    experiment = Experiment(cls, tuple(arguments), tuple(calls))
    few = {a.name: FEW for a in arguments if role_of(a) == "depth" and isinstance(a.default, int) and a.default > FEW}
    if few:
        found = _probe(replace(experiment, assumed=few), name)
        if found.status == "placeable":
            return found
    return _probe(experiment, name)


def _probe(experiment: Experiment, name: str) -> Probe:
    cls, arguments = experiment.cls, experiment.arguments
    start = find_start(experiment)
    if isinstance(start, Failure):
        if start.stage == "output":
            return Probe(name, "executed", start.message, block=_bare(name, arguments), example=start.example)
        if start.code == "R04" and start.example is not None:
            for example in (start.example, replace(start.example, shape=(2, *IMAGES))):
                if executes_eagerly(cls, example):
                    reason = f"executes, but not in a compiled network: {start.message}"
                    return Probe(name, "executed", reason, block=_bare(name, arguments), example=example)
        return Probe(name, "refused" if start.code else "crashed", start.message, start.code)
    values = {argument: value_at(symbol, start.place.shape) for argument, symbol in start.guess.items()}
    example = Example(values, start.place.tensor)
    try:
        trace = observe(cls, values, start.place)
    except (MemoryError, LimitExceeded):
        raise
    except Exception as error:  # whatever translated code raises is an answer
        reason = f"in training mode: {type(error).__name__}: {first_line(error)}"
        return Probe(name, "executed", reason, block=_bare(name, arguments), example=example)
    try:
        block = with_domains(experiment, find_contract(experiment, start, name), start)
        contract = contract_of(block)
        if not trace.operations and contract.output_width is None and contract.stride is None:
            raise NotPlaceable("returns its input as it is")
        if experiment.assumed and not fits(replace(experiment, assumed={}, outcomes={}), block, {}, start.place):
            raise NotPlaceable("does not fit at its own depth")
    except NotPlaceable as reason:
        block = replace(_bare(name, arguments), family=family_of(trace, Contract(), name))
        return Probe(name, "executed", str(reason), block=block, example=example)
    block = replace(block, family=family_of(trace, contract, name))
    return Probe(name, "placeable", block=block, example=example)


def _bare(name: str, arguments: Sequence[Argument]) -> Block:
    """A block that executes and cannot be placed."""
    parameters = tuple(Parameter(a.name, role_of(a), default_value(a), a.required) for a in arguments)
    return Block(name, "other", parameters)


def _passed_on(arguments: Sequence[Argument], calls: Sequence[Mapping[str, Any]]) -> list[Argument]:
    """Arguments that calls give through `**kwargs`; required is what every call gives."""
    known = {argument.name for argument in arguments}
    names = dict.fromkeys(name for call in calls for name in call if name not in known)
    return [Argument(name, all(name in call for call in calls), None, "", "") for name in names]


def _inherited_arguments(cls: type) -> list[Argument]:
    """Arguments of a constructor that mining did not see, for it is the runtime's own."""
    arguments = []
    for p in list(inspect.signature(cls.__init__).parameters.values())[1:]:  # type: ignore[misc]
        if p.kind != p.POSITIONAL_OR_KEYWORD:
            continue
        required, is_class = p.default is p.empty, isinstance(p.default, type)
        source = "" if required else f"nn.{p.default.__name__}" if is_class else repr(p.default)
        arguments.append(Argument(p.name, required, None if required or is_class else p.default, source, ""))
    return arguments


def answer(job: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON answer to a JSON job: folder, name, arguments, description, provenance."""
    name = job["name"]
    described = Block(
        name,
        "other",
        description=job["description"],
        provenance=MappingProxyType(job["provenance"]),
        folder=job["folder"],
    )
    try:
        cls = load_class(described)
    except Refused as refused:
        return {"name": name, "status": "refused", "reason": str(refused), "code": refused.code, "block": None}
    except Exception as error:  # importing emitted code can raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return {"name": name, "status": "crashed", "reason": reason, "code": None, "block": None}
    try:
        arguments = [Argument(**argument | {"uses": tuple(argument["uses"])}) for argument in job["arguments"]]
        calls = [{key: tuples(value) for key, value in call.items()} for call in job["calls"]]
        with limited(TIME_LIMIT):
            found = probe(cls, name, arguments or _inherited_arguments(cls), calls)
    except LimitExceeded as error:
        found = Probe(name, "crashed", str(error))
    except MemoryError:
        found = Probe(name, "crashed", f"needs more than {MEMORY_LIMIT >> 30} GiB")
    record = None
    if found.block is not None:
        record = block_to_json(replace(found.block, description=described.description, provenance=described.provenance))
    example = None if found.example is None else asdict(found.example)
    return {
        "name": name,
        "status": found.status,
        "reason": found.reason,
        "code": found.code,
        "block": record,
        "example": example,
    }


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@collecting_rarely()
def main() -> None:
    """Answer jobs until standard input ends. What translated code prints goes nowhere."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    _limit_memory()
    jax.config.update("jax_traceback_filtering", "off")  # most guesses raise, and filtering reads files each time
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
