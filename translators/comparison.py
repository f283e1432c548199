"""Whether a translated class computes what the original does. Runs in the child process of a verification.

Every parameter and buffer is drawn at random first, so that zero-initialised branches count; outputs, gradients of the
inputs, training mode and statistics are compared. PyTorch's side lives in `translators.reference`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from translators import reference
from translators.diagnostics import Refused, UserError
from translators.runtime import nn
from translators.runtime.arrays import is_floating
from translators.runtime.module import Module
from translators.runtime.state import load_state_dict, state_dict
from translators.spelling import is_spelled, spelled

TOLERANCE = 2e-4
"""Largest difference relative to the largest magnitude of the array."""

_SHAPES = 3  # to agree on; what further cases there are stand in for those that the class refuses
_CHAOS = 0.05  # PyTorch in float32 this far from itself in float64 decides nothing
_VALUES = 4  # that batch normalisation needs at least
_FLOOR = 1e-3  # what cancels to zero in exact arithmetic is compared absolutely

# Compiled in half the time. XLA for the CPU gets some gradients wrong at this level (NaN), so that it may agree with
# PyTorch, but a difference counts at the default level only.
_QUICK: dict[str, str | bool] = {"xla_backend_optimization_level": "0"}

Case = tuple[Mapping[str, Any], Sequence[tuple[int, ...]]]
Run = tuple[list[np.ndarray], list[np.ndarray] | None, Mapping[str, np.ndarray]]  # outputs, gradients of inputs, state

_Program = Callable[..., dict[bool, Run]]


class Different(Exception):
    """The translated class computes something else."""


def compare(cls: type, module: str, name: str, cases: Sequence[Case]) -> dict[str, Any]:
    """Differences over the cases in both modes, and the shapes that were compared. Raises Different as soon as one is
    too large, UserError when PyTorch cannot build or run the class itself on the first case."""
    try:
        return _compare_cases(cls, module, name, cases, tuple)
    except UserError:
        if "[" not in json.dumps([arguments for arguments, _ in cases])[1:]:
            raise
        return _compare_cases(cls, module, name, cases, list)  # JSON does not tell lists from tuples


def _compare_cases(cls: type, module: str, name: str, cases: Sequence[Case], sequence: type) -> dict[str, Any]:
    found: dict[str, Any] = {"output_diff": 0.0, "gradient_diff": 0.0, "train_diff": None, "shapes": []}
    pairs: dict[str, _Pair] = {}
    for number, (arguments, shapes) in enumerate(cases):
        key = json.dumps(arguments, sort_keys=True)
        try:
            if key not in pairs:
                pairs[key] = _Pair(cls, module, name, arguments, sequence)
            original, shapes = _reference_runs_wide(pairs[key].theirs, shapes, number)
        except _Failed as failed:
            if number:
                continue  # the class does not take this case
            raise UserError(f"PyTorch itself fails: {failed}") from failed.__cause__
        if _compare_case(pairs[key], original, shapes, number, found):
            found["shapes"].append([list(shape) for shape in shapes])
        if len(found["shapes"]) == _SHAPES:
            break
    if not found["shapes"]:
        raise UserError("PyTorch's results have no correct digits in float32: give arguments or shapes that are tamer")
    return found


class _Failed(Exception):
    """PyTorch does not build or run the class."""


class _Pair:
    """Original and translated class built with the same arguments, with equal weights."""

    def __init__(self, cls: type, module: str, name: str, arguments: Mapping[str, Any], sequence: type):
        import torch

        try:
            self.theirs = reference.Original(module, name, constructor_arguments(arguments, torch.nn, sequence))
        except Exception as error:
            raise _Failed(described(error)) from error
        self.ours = _Ours(cls, constructor_arguments(arguments, nn, sequence), self.theirs.state())


def constructor_arguments(values: Any, classes: Any, sequence: type = tuple) -> Any:
    """Arguments of a row: a list becomes a `sequence`, `$nn.X` one of `classes`, `$nn.X(1)` an instance of it."""
    if isinstance(values, dict):
        return {key: constructor_arguments(item, classes, sequence) for key, item in values.items()}
    if isinstance(values, list):
        return sequence(constructor_arguments(item, classes, sequence) for item in values)
    if isinstance(values, str) and values.startswith("$") and is_spelled(values.removeprefix("$")):
        return spelled(values.removeprefix("$"), classes)
    return values


def _reference_runs_wide(
    theirs: reference.Original, shapes: Sequence[tuple[int, ...]], seed: int
) -> tuple[dict[bool, Any], Sequence[tuple[int, ...]]]:
    """The runs of `_reference_runs`, and the shapes they took: of a wider batch where batch normalisation would have
    two or three values to see, of which it makes signs, and of their gradients noise. A batch of one stays one, and is
    not run in training mode then."""
    runs = _reference_runs(theirs, shapes, seed)
    if True in runs and theirs.fewest_values < _VALUES:
        if shapes[0][0] > 1:
            wide = [(_VALUES * shape[0], *shape[1:]) for shape in shapes]
            with contextlib.suppress(_Failed):
                return _reference_runs(theirs, wide, seed), wide
        runs.pop(True)
    return runs, shapes


def _reference_runs(theirs: reference.Original, shapes: Sequence[tuple[int, ...]], seed: int) -> dict[bool, Any]:
    """training -> (inputs, outputs, cotangents, gradients, state) of the original. Raises _Failed."""
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    runs: dict[bool, Any] = {}
    for training in (False, True):
        try:
            runs[training] = (inputs, *theirs.run(inputs, training))
            if not runs[training][1]:
                raise TypeError("the result holds no tensor")
        except Exception as error:
            if not training:
                raise _Failed(described(error)) from error
            runs.pop(training, None)  # as batch normalisation over a single value
    return runs


def _compare_case(
    pair: _Pair, original: dict[bool, Any], shapes: Sequence[Any], seed: int, found: dict[str, Any]
) -> bool:
    """Compares both modes and notes the differences in `found`. False where nothing can be compared."""
    run = pair.ours.program(original)
    compared = False
    for training, ours in run(original).items():
        inputs = original[training][0]
        where = f"{'training' if training else 'evaluation'} on {[list(s) for s in shapes]}"
        apart = _tolerated(pair, ours, original[training], training, where)
        if apart is not None and max(apart.values()) > TOLERANCE:
            ours = run(original, exact=True)[training]
            apart = _tolerated(pair, ours, original[training], training, where)
        if apart is None:
            continue
        if max(apart.values()) > TOLERANCE and max(_distances_in_float64(pair, inputs, training, where)) <= TOLERANCE:
            apart = dict.fromkeys(apart, 0.0)
            found["reason"] = f"rounding decides in {where}; both agree in float64"
        if apart["gradient"] > TOLERANCE and _differences_confirm(pair, original[training], ours[1], training):
            apart["gradient"] = 0.0
            found["reason"] = f"PyTorch's own gradient contradicts finite differences in {where}; ours agrees with them"
        alone = apart["gradient"] > TOLERANCE >= max(apart["output"], apart["statistics"])
        if alone and _agrees_elsewhere(pair, run, shapes, seed, training):
            apart["gradient"] = 0.0
            found["reason"] = f"at a kink the gradient differs in {where}; it agrees on other inputs"
        for what, distance in apart.items():
            if distance > TOLERANCE:
                first = _first_difference(pair.ours.trace(inputs, training), pair.theirs.trace(inputs, training))
                raise Different(f"{what} differs by {distance:.2g} in {where}: {first}")
        if training:
            found["train_diff"] = max(found["train_diff"] or 0.0, *apart.values())
        else:
            compared = True
            found["output_diff"] = max(found["output_diff"], apart["output"])
            found["gradient_diff"] = max(found["gradient_diff"], apart["gradient"])
    return compared


def _distances_in_float64(pair: _Pair, inputs: Sequence[np.ndarray], training: bool, where: str) -> list[float]:
    """What is left where both compute in float64: in a deep network rounding may decide about all of a gradient."""
    outputs, cotangents, gradients, state = pair.theirs.run(inputs, training, precise=True)
    ours = _in_float64(pair, inputs, cotangents, training)
    return [np.inf] if ours is None else list(_distances(ours, (outputs, gradients, state), where).values())


def _in_float64(pair: _Pair, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray], training: bool) -> Any:
    """Our run in float64; None where there is none."""
    try:
        with jax.enable_x64(True):
            return pair.ours.precise(inputs, cotangents, training)
    except TypeError:  # as of a loop that starts in float32
        return None


def _agrees_elsewhere(pair: _Pair, run: _Program, shapes: Sequence[Any], seed: int, training: bool) -> bool:
    """Whether all agrees on other inputs: near the kink of a ReLU one rounding decides about a gradient."""
    for draw in (1, 2):
        original = _reference_runs(pair.theirs, shapes, seed + 100 * draw)
        ours = run(original, exact=True)[training]
        apart = _tolerated(pair, ours, original[training], training, "")
        if apart is not None and max(apart.values()) <= TOLERANCE:
            return True
    return False


def _tolerated(pair: _Pair, ours: Run, original: Any, training: bool, where: str) -> dict[str, float] | None:
    """Differences by what differs; of those that PyTorch's own rounding explains nothing is left. None where PyTorch's
    results have no correct digits. Raises Different where shapes differ."""
    inputs, outputs, _, gradients, state = original
    if not all(np.isfinite(x).any() for x in outputs if x.size):
        return None  # what is infinite or no number in both agrees about nothing
    apart = _distances(ours, (outputs, gradients, state), where)
    if max(apart.values()) <= TOLERANCE:
        return apart
    precise = pair.theirs.run(inputs, training, precise=True)
    doubt = _distances((outputs, gradients, state), (precise[0], precise[2], precise[3]), where)
    if max(doubt["output"], doubt["statistics"]) > _CHAOS:
        return None
    if training and doubt["gradient"] > _CHAOS:
        apart["gradient"] = 0.0  # it has no digits to compare: evaluation mode does
    return {w: 0.0 if apart[w] < 10 * doubt[w] and doubt[w] < _CHAOS else apart[w] for w in apart}


class _Ours:
    """The translated class, with PyTorch's weights."""

    def __init__(self, cls: type, arguments: Mapping[str, Any], state: Mapping[str, np.ndarray]):
        self.model = cls(**arguments)
        reference.without_dropout(self.model)
        try:
            load_state_dict(self.model, state)
        except ValueError as error:
            raise Different(str(error)) from None

    def program(self, original: Mapping[bool, Any]) -> _Program:
        """A function that runs all modes of `original` in one program, in which what they share is compiled once."""
        try:
            return self._program(original)
        except Refused as error:
            if error.code != "R06" or len(original) == 1:
                raise
            return self._program({False: original[False]})  # it draws random numbers of its own in training

    def _program(self, original: Mapping[bool, Any]) -> _Program:
        graphs, parameters, rest = {}, None, None
        for training in original:
            self.model.train(training)  # may return nothing
            graphs[training], parameters, rest = _split(self.model)

        def everything(inputs: Any, parameters: Any, rest: Any, cotangents: Any) -> dict[bool, Any]:
            run = jax.value_and_grad(_loss, has_aux=True)
            return {t: run(inputs, graphs[t], parameters, rest, cotangents[t]) for t in graphs}

        def given(original: Mapping[bool, Any]) -> tuple:
            cotangents = {training: original[training][2] for training in graphs}
            return [jnp.asarray(x) for x in original[False][0]], parameters, rest, cotangents

        lowered = jax.jit(everything).lower(*given(original))
        compiled = cache(lambda exact: lowered.compile(None if exact else _QUICK))

        def run(original: Mapping[bool, Any], exact: bool = False) -> dict[bool, Run]:
            results: dict[bool, Run] = {}
            for training, ((_, (outputs, after)), gradients) in compiled(exact)(*given(original)).items():
                state = state_dict(nnx.merge(graphs[training], parameters, after)) if training else {}
                results[training] = ([np.asarray(x) for x in outputs], [np.asarray(x) for x in gradients], state)
            return results

        return run

    def precise(self, inputs: Sequence[np.ndarray], cotangents: Sequence[np.ndarray], training: bool) -> Run:
        """A run in float64, where JAX has it."""
        self.model.train(training)
        graph, *state = _split(self.model)
        wide = [jax.tree.map(lambda x: np.asarray(x, np.float64) if is_floating(x) else x, part) for part in state]
        given = [np.asarray(x, np.float64) for x in inputs]
        run = jax.jit(lambda *args: jax.value_and_grad(_loss, has_aux=True)(args[0], graph, *args[1:]))
        (_, (outputs, after)), gradients = run(given, *wide, cotangents)
        found = state_dict(nnx.merge(graph, wide[0], after)) if training else {}
        return [np.asarray(x) for x in outputs], [np.asarray(x) for x in gradients], found

    def trace(self, inputs: Sequence[np.ndarray], training: bool) -> list[tuple[str, list[np.ndarray]]]:
        """(path, outputs) of every submodule in the order in which they finish."""
        self.model.train(training)
        names = {id(module): name for name, module in self.model.named_modules()}
        calls: list[tuple[str, list[np.ndarray]]] = []
        plain = Module.__call__

        def recorded(module: Any, *args: Any, **kwargs: Any) -> Any:
            result = plain(module, *args, **kwargs)
            outputs = [np.asarray(x) for x in jax.tree.leaves(result) if hasattr(x, "dtype")]
            calls.append((names.get(id(module), "?"), outputs))
            return result

        Module.__call__ = recorded  # type: ignore[method-assign,assignment]
        try:
            with contextlib.suppress(Exception):
                self.model(*inputs)
        finally:
            Module.__call__ = plain  # type: ignore[method-assign,assignment]
        return calls


def _split(model: Any) -> Any:
    return nnx.split(model, nnx.Param, ...)


def _loss(inputs: Any, graph: Any, parameters: Any, rest: Any, cotangents: Any) -> Any:
    model = nnx.merge(graph, parameters, rest, copy=True)
    outputs = [x for x in jax.tree.leaves(model(*inputs)) if hasattr(x, "dtype")]
    floats = [x for x in outputs if jnp.issubdtype(x.dtype, jnp.floating)]
    total = sum(jnp.sum(x * c) for x, c in zip(floats, cotangents, strict=False) if x.shape == c.shape)
    return jnp.asarray(total, jnp.float32), (outputs, _split(model)[2])


def _distances(ours: Run, theirs: Run, where: str) -> dict[str, float]:
    return {
        "output": difference(ours[0], theirs[0], f"output in {where}"),
        "gradient": difference(ours[1] or [], theirs[1], f"gradient in {where}") if theirs[1] is not None else 0.0,
        "statistics": difference([ours[2][k] for k in theirs[2]], list(theirs[2].values()), f"statistics in {where}"),
    }


def difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], what: str) -> float:
    """The largest difference relative to the largest magnitude. Raises Different when shapes differ."""
    if [x.shape for x in ours] != [x.shape for x in theirs]:
        raise Different(f"{what}: shapes {[x.shape for x in ours]}, PyTorch has {[x.shape for x in theirs]}")
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if not b.size:
            continue
        with np.errstate(invalid="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(np.subtract(a, b, dtype=np.float64)))
        finite = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max() / max(finite, _FLOOR)))
    return worst


def _first_difference(ours: list, theirs: list) -> str:
    """The first submodule whose outputs differ, by name."""
    there = dict(theirs)
    for name, outputs in ours:
        if name not in there:
            continue
        try:
            apart = difference(outputs, there[name], name)
        except Different:
            apart = np.inf
        if apart > TOLERANCE:
            return f"first difference in submodule {name or '(the block itself)'}"
    return "submodules agree one by one"


def _differences_confirm(pair: _Pair, original: Any, gradients: Any, training: bool) -> bool:
    """Whether finite differences of PyTorch's outputs agree with our gradients along three random directions: with
    those in float64 and short steps where a deep network leaves float32 and long ones no digits."""
    inputs, _, cotangents, _, _ = original
    rng = np.random.default_rng(2)
    length = np.sqrt(sum(x.size for x in inputs))  # of a random direction: without it a large input takes a long step
    directions = [[rng.standard_normal(x.shape) / length for x in inputs] for _ in range(3)]

    def confirmed(gradients: Sequence[np.ndarray], step: float) -> bool:
        slopes = pair.theirs.slopes(inputs, cotangents, directions, training, step)
        ours = [sum(float((g * d).sum()) for g, d in zip(gradients, along, strict=True)) for along in directions]
        return bool(np.allclose(ours, slopes, rtol=1e-3, atol=1e-3 * max(map(abs, slopes))))

    if confirmed(gradients, 1e-4):
        return True
    precise = _in_float64(pair, inputs, cotangents, training)
    return precise is not None and confirmed(precise[1], 1e-8)


def described(error: Exception) -> str:
    """One line: type, message, and where in translated code it arose."""
    place, step = "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "/translators/" not in code.co_filename and "site-packages" not in code.co_filename:
            place = f" at {Path(code.co_filename).name}:{step.tb_lineno}"
        step = step.tb_next
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}{place}"
