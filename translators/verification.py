"""Parity of translated classes with PyTorch, in a child process with a time limit.

Needs torch and a source that torch can import: here the original is executed, nowhere else. Every parameter and buffer
is drawn at random first, so that zero-initialised branches count; output, input gradient, training mode and statistics
are compared on three shapes. PyTorch's side lives in `translators.reference`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from translators.diagnostics import Refusal, Refused, UserError
from translators.sources import Source, open_source

TOLERANCE = 2e-4
"""Largest difference relative to the largest magnitude of the array."""

_CHAOS = 0.05  # PyTorch in float32 this far from itself in float64 decides nothing
_FLOOR = 1e-3  # what cancels to zero in exact arithmetic is compared absolutely


class Verifier:
    """A warm child process that verifies rows one after another; it is replaced when it dies or exceeds the limit."""

    def __init__(self, roots: Mapping[str, Path], seconds: float = 300.0):
        self._roots = {name: str(Path(path).resolve()) for name, path in roots.items()}
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed with the verifier

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        self._log.close()

    def verify(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The result row of TRANSLATION's protocol for one row of a specification."""
        if self._child is None:
            self._child = self._start()
        started = time.monotonic()
        request = json.dumps({"row": dict(row), "roots": self._roots}).encode() + b"\n"
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(request)
            self._child.stdin.flush()
        line = self._answer(started + self._seconds)
        if line.endswith(b"\n"):
            return json.loads(line)
        late = self._child.poll() is None
        self._stop()
        reason = f"no answer within {self._seconds:g} s" if late else f"the process died: {self._last_words()}"
        return _result(row, "crashed", reason=reason, seconds_verify=time.monotonic() - started)

    def _start(self) -> subprocess.Popen[bytes]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        environment = kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "JAX_PLATFORMS": "cpu"}
        return subprocess.Popen(
            [sys.executable, "-m", "translators.verification"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=environment, start_new_session=True,
        )  # fmt: skip

    def _answer(self, deadline: float) -> bytes:
        """One line, or what came of it until the deadline or the end."""
        assert self._child is not None and self._child.stdout is not None
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n") and selector.select(max(0.0, deadline - time.monotonic())):
                piece = os.read(self._child.stdout.fileno(), 1 << 16)
                if not piece:
                    self._child.wait()
                    break
                received += piece
        return received

    def _stop(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.communicate()
            self._child = None

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no message"


def verify_row(row: Mapping[str, Any], roots: Mapping[str, Path], seconds: float = 300.0) -> dict[str, Any]:
    """One row in a process of its own; for many rows keep a `Verifier`."""
    with Verifier(roots, seconds) as verifier:
        return verifier.verify(row)


def _result(row: Mapping[str, Any], status: str, **found: Any) -> dict[str, Any]:
    blank = dict.fromkeys(
        ("code", "reason", "output_diff", "gradient_diff", "train_diff", "seconds_translate", "seconds_verify")
    )
    return {"source": row["source"], "class": row["class"], "status": status, **blank, **found}


# ---- in the child -------------------------------------------------------------------------------------------------


class _Different(Exception):
    """The translated class computes something else."""


def _locate(row: Mapping[str, Any], roots: Mapping[str, str]) -> tuple[str, Path, str]:
    """(what the translator opens, folder to import from, dotted module) of a row."""
    name, _, relative = row["source"].partition(":")
    if name in roots:
        folder = Path(roots[name])
        spec = str(folder)
    else:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise UserError(f"{name}: no installed package of this name; install it, or add --root {name}=FOLDER")
        folder, spec = Path(next(iter(found.submodule_search_locations))), name
    if not (folder / relative).is_file():
        raise UserError(f"{folder / relative}: no such file; a source is written PACKAGE:path/in/package.py")
    package = (folder / "__init__.py").is_file()
    dotted = relative.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return (spec, folder.parent, f"{folder.name}.{dotted}") if package else (spec, folder, dotted)


def _arguments(values: Any, nn: Any, sequence: type = tuple) -> Any:
    """Constructor arguments of a row: a list becomes a `sequence`, `$nn.X` is a class and `$nn.X()` an instance."""
    if isinstance(values, dict):
        return {key: _arguments(item, nn, sequence) for key, item in values.items()}
    if isinstance(values, list):
        return sequence(_arguments(item, nn, sequence) for item in values)
    if isinstance(values, str) and values.startswith("$nn."):
        found = getattr(nn, values.removeprefix("$nn.").removesuffix("()"))
        return found() if values.endswith("()") else found
    return values


def _variants(shapes: Sequence[Sequence[int]]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The shapes as given, then candidates for batch 1 and for odd sizes; a class need not accept the latter."""
    given = tuple(tuple(shape) for shape in shapes)
    yield given
    yield tuple((1, *shape[1:]) for shape in given)
    for axes in ((2, 3), (1, 2)) if len(given[0]) == 4 else ((2,), (1,)) if len(given[0]) == 3 else ((2, 3, 4),):
        yield tuple(tuple(n + (axis in axes and 1 + axis % 2) for axis, n in enumerate(shape)) for shape in given)


def _difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], what: str) -> float:
    """The largest difference relative to the largest magnitude. Raises _Different when shapes differ."""
    if [x.shape for x in ours] != [x.shape for x in theirs]:
        raise _Different(f"{what}: shapes {[x.shape for x in ours]}, PyTorch has {[x.shape for x in theirs]}")
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if not b.size:
            continue
        with np.errstate(invalid="ignore"):
            apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(np.subtract(a, b, dtype=np.float64)))
        finite = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        worst = max(worst, float(np.nan_to_num(apart, nan=np.inf).max() / max(finite, _FLOOR)))
    return worst


class _Ours:
    """The translated class, loaded and with PyTorch's weights."""

    def __init__(self, cls: type, arguments: Mapping[str, Any], state: Mapping[str, np.ndarray]):
        from translators.reference import without_dropout
        from translators.runtime.state import load_state_dict

        self.model = cls(**arguments)
        without_dropout(self.model)
        try:
            load_state_dict(self.model, state)
        except ValueError as error:
            raise _Different(str(error)) from None

    def run(self, inputs: Sequence[Any], cotangents: Sequence[np.ndarray], training: bool) -> tuple:
        """Outputs, gradients of the inputs and the state afterwards."""
        import jax
        import jax.numpy as jnp
        from flax import nnx

        from translators.runtime.state import state_dict

        def split(model: Any) -> Any:
            return nnx.split(model, nnx.Param, ...)

        graph, parameters, rest = split(self.model.train(training))

        def loss(inputs: Any, parameters: Any, rest: Any) -> Any:
            model = nnx.merge(graph, parameters, rest, copy=True)
            result = model(*inputs)
            outputs = [x for x in jax.tree.leaves(result) if hasattr(x, "dtype")]
            floats = [x for x in outputs if jnp.issubdtype(x.dtype, jnp.floating)]
            total = sum(jnp.sum(x * c) for x, c in zip(floats, cotangents, strict=False) if x.shape == c.shape)
            return jnp.asarray(total, jnp.float32), (outputs, split(model)[2])

        # At XLA's default level: without optimisation XLA for the CPU gets some gradients wrong (NaN).
        program = jax.jit(jax.value_and_grad(loss, has_aux=True))
        (_, (outputs, after)), gradients = program(list(inputs), parameters, rest)
        state = state_dict(nnx.merge(graph, parameters, after)) if training else {}
        return [np.asarray(x) for x in outputs], [np.asarray(x) for x in gradients], state

    def trace(self, inputs: Sequence[np.ndarray], training: bool) -> list[tuple[str, list[np.ndarray]]]:
        """(path, outputs) of every submodule in the order in which they finish."""
        import jax

        from translators.runtime.module import Module

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


def _first_difference(ours: list, theirs: list) -> str:
    """The first submodule whose outputs differ, by name."""
    there = dict(theirs)
    for name, outputs in ours:
        if name not in there:
            continue
        try:
            apart = _difference(outputs, there[name], name)
        except _Different:
            apart = np.inf
        if apart > TOLERANCE:
            return f"first difference in submodule {name or '(the block itself)'}"
    return "submodules agree one by one"


def _distances(ours: tuple, theirs: tuple, where: str) -> dict[str, float]:
    """Between two runs: (outputs, gradients of the inputs, state)."""
    return {
        "output": _difference(ours[0], theirs[0], f"output in {where}"),
        "gradient": _difference(ours[1], theirs[1], f"gradient in {where}"),
        "statistics": _difference([ours[2][k] for k in theirs[2]], list(theirs[2].values()), f"statistics in {where}"),
    }


def _differences_confirm(theirs: Any, inputs: Any, cotangents: Any, gradients: Sequence[np.ndarray]) -> bool:
    """Whether finite differences of PyTorch's outputs agree with our gradients along three random directions."""
    rng = np.random.default_rng(2)
    directions = [[rng.standard_normal(x.shape) for x in inputs] for _ in range(3)]
    slopes = theirs.slopes(inputs, cotangents, directions)
    ours = [sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True)) for direction in directions]
    return bool(np.allclose(ours, slopes, rtol=1e-3, atol=1e-3 * max(map(abs, slopes))))


def _compare(row: Mapping[str, Any], module: str, cls: type, sequence: type) -> dict[str, Any]:
    """Differences over all shapes and both modes. Raises _Different as soon as one is too large, UserError when PyTorch
    cannot build or run the class itself."""
    import torch

    from translators import reference
    from translators.runtime import nn

    try:
        theirs = reference.Original(module, row["class"], _arguments(row["init"], torch.nn, sequence))
    except Exception as error:
        raise UserError(f"PyTorch itself fails: {_described(error)}") from error
    ours = _Ours(cls, _arguments(row["init"], nn, sequence), theirs.state())
    found: dict[str, Any] = {"output_diff": 0.0, "gradient_diff": 0.0, "train_diff": None}
    shapes_seen = 0
    for number, shapes in enumerate(_variants(row["input_shapes"])):
        rng = np.random.default_rng(number)
        inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        for training in (False, True):
            try:
                expected, cotangents, gradients, state = theirs.run(inputs, training)
                if not expected:
                    raise TypeError("the result holds no tensor")
            except Exception as error:
                if number == 0 and not training:
                    raise UserError(f"PyTorch itself fails: {_described(error)}") from error
                continue  # the class does not take this shape or mode
            where = f"{'training' if training else 'evaluation'} on {[list(s) for s in shapes]}"
            try:
                outputs, our_gradients, our_state = ours.run(inputs, cotangents, training)
            except Refused as error:
                if training and error.code == "R06":
                    continue  # it draws random numbers of its own: only evaluation can be compared
                raise
            apart = _distances((outputs, our_gradients, our_state), (expected, gradients, state), where)
            if max(apart.values()) > TOLERANCE:
                precise = theirs.run(inputs, training, precise=True)
                doubt = _distances((expected, gradients, state), (precise[0], precise[2], precise[3]), where)
                if max(doubt["output"], doubt["statistics"]) > _CHAOS:
                    continue  # nothing can be compared where PyTorch itself has no correct digits
                for what in apart:
                    apart[what] = 0.0 if apart[what] < 10 * doubt[what] and doubt[what] < _CHAOS else apart[what]
            if apart["gradient"] > TOLERANCE and _differences_confirm(theirs, inputs, cotangents, our_gradients):
                apart["gradient"] = 0.0
                found["reason"] = (
                    f"PyTorch's own gradient contradicts finite differences in {where}; ours agrees with them"
                )
            for what, distance in apart.items():
                if distance > TOLERANCE:
                    raise _Different(
                        f"{what} differs by {distance:.2g} in {where}: "
                        + _first_difference(ours.trace(inputs, training), theirs.trace(inputs, training))
                    )
            if training:
                found["train_diff"] = max(found["train_diff"] or 0.0, *apart.values())
            else:
                shapes_seen += 1
                found["output_diff"] = max(found["output_diff"], apart["output"])
                found["gradient_diff"] = max(found["gradient_diff"], apart["gradient"])
        if shapes_seen == 3:
            break
    if not shapes_seen:
        raise UserError("PyTorch's results have no correct digits in float32: give arguments or shapes that are tamer")
    return found


def _verify(row: Mapping[str, Any], roots: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Translate, load, compare; every way to fail is a status."""
    import jax

    from translators import load_class, reference

    jax.config.update("jax_default_matmul_precision", "highest")
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    try:
        spec, import_root, module = _locate(row, roots)
        reference.make_importable([import_root, *(Path(root).parent for root in roots.values())])
        outcome, name = _translate(spec, module, row["class"], folder, [r for r in roots.values() if r != spec])
        seconds["seconds_translate"] = time.perf_counter() - started
        if isinstance(outcome, Refusal):
            return _result(row, "refused", code=outcome.code, reason=str(outcome), **seconds)
        started = time.perf_counter()
        try:
            found = _compare(row, module, load_class(folder, name), tuple)
        except UserError:
            if "[" not in json.dumps(row["init"]):
                raise
            found = _compare(row, module, load_class(folder, name), list)  # JSON does not tell lists from tuples
        seconds["seconds_verify"] = time.perf_counter() - started
        return _result(row, "right", **found, **seconds)
    except Refused as error:
        return _result(row, "refused", code=error.code, reason=error.message, **seconds)
    except _Different as error:
        return _result(row, "wrong", reason=str(error), **seconds)
    except Exception as error:
        return _result(row, "crashed", reason=_described(error), **seconds)


def _described(error: Exception) -> str:
    """One line: type, message, and where in translated code it arose."""
    place, step = "", error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "/translators/" not in code.co_filename and "site-packages" not in code.co_filename:
            place = f" at {Path(code.co_filename).name}:{step.tb_lineno}"
        step = step.tb_next
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}{place}"


def _translate(spec: str, module: str, name: str, folder: Path, others: Sequence[str]) -> tuple[Any, str]:
    """Emit the class into `folder`. Returns its outcome and its qualified name."""
    from translators import translate_class

    source, further = _source(spec), [_source(other) for other in others]
    try:
        translation = translate_class(source, f"{module}.{name}", others=further)
    except UserError:
        original = getattr(importlib.import_module(module), name)  # an alias of a class that is defined elsewhere
        module, name = original.__module__, original.__qualname__
        translation = translate_class(source, f"{module}.{name}", others=further)
    for path, text in translation.modules.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return translation.outcomes[f"{module}.{name}"], f"{module}.{name}"


@functools.cache
def _source(spec: str) -> Source:
    return open_source(spec)


def _serve() -> None:
    """Answers requests, one JSON line each. What imported packages print goes to the log, not into the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            answer = _verify(request["row"], request["roots"], Path(folder))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
