"""Blocks converted by another tool that traces PyTorch; `translate` runs this module with that tool's own interpreter.

`python -m jnas.benchmarks.traced TOOL` reads rows and prints answers (status, reason, seconds to convert), a line of
JSON each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from translators import reference
from translators.limits import LimitExceeded, limited

TOLERANCE = 2e-4  # as in translators.comparison
SECONDS, MEGABYTES = 60.0, 8192  # of processor time and memory that a tool may take for one block


def torchax(model: Any) -> Callable:
    """A function of JAX arrays. Raises what torchax raises."""
    import torch

    # torchax registers overloads for named tensors, which PyTorch has dropped since; nothing here calls them.
    packet = torch._ops.OpOverloadPacket
    known = packet.__getattr__

    def lenient(self: Any, name: str) -> Any:
        try:
            return known(self, name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return object()

    packet.__getattr__ = lenient
    try:
        import torchax

        weights, function = torchax.extract_jax(model)
    finally:
        packet.__getattr__ = known
    return lambda *inputs: function(weights, inputs)


def torch2jax(model: Any) -> Callable:
    """A function of JAX arrays. Raises what torch2jax raises."""
    import torch2jax

    function = torch2jax.t2j(model)
    weights = {name: torch2jax.t2j(tensor) for name, tensor in model.state_dict().items()}
    return lambda *inputs: function(*inputs, state_dict=weights)


TOOLS = {"torchax": torchax, "torch2jax": torch2jax}


def convert(tool: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs and gradients of the inputs in evaluation mode, on the shapes of the row that PyTorch takes."""
    import jax
    import jax.numpy as jnp
    import torch

    theirs = reference.Original(row["module"], row["class"], _arguments(row["init"], torch.nn))
    runs = []
    for number, shapes in enumerate(row["shapes"]):
        rng = np.random.default_rng(number)
        inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        try:
            runs.append((inputs, theirs.run(inputs, training=False)))
        except Exception:
            if not number:
                raise
    started = time.perf_counter()
    try:
        with limited(SECONDS, MEGABYTES):
            function = TOOLS[tool](theirs.model.eval())
            jax.eval_shape(function, *map(jnp.asarray, runs[0][0]))
            seconds = time.perf_counter() - started
            worst = 0.0
            for inputs, (outputs, cotangents, gradients, _) in runs:

                def total(arrays: Sequence[Any], cotangents: Sequence[Any] = cotangents) -> Any:
                    found = jax.tree.leaves(function(*arrays))
                    return sum(jnp.sum(y * c) for y, c in zip(found, cotangents)), found

                (_, found), slopes = jax.value_and_grad(total, has_aux=True)([jnp.asarray(x) for x in inputs])
                worst = max(worst, _difference(found, outputs), _difference(slopes, gradients or slopes))
    except LimitExceeded as error:  # a loop over what never ends, as an array that JAX indexes beyond its size
        return {"status": "crashed", "reason": f"{tool} {error}"}
    except Exception as error:
        return {"status": "refused", "reason": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
    return {"status": "right" if worst <= TOLERANCE else "wrong", "reason": f"{worst:.2g}", "seconds": seconds}


def _arguments(values: Any, nn: Any) -> Any:
    if isinstance(values, dict):
        return {name: _arguments(value, nn) for name, value in values.items()}
    if isinstance(values, list):
        return tuple(_arguments(value, nn) for value in values)
    if isinstance(values, str) and values.startswith("$nn."):
        found = getattr(nn, values.removeprefix("$nn.").removesuffix("()"))
        return found() if values.endswith("()") else found
    return values


def _difference(ours: Sequence[Any], theirs: Sequence[Any]) -> float:
    if [np.shape(a) for a in ours] != [np.shape(b) for b in theirs]:
        return float("inf")
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs)]
    worst = [float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-3)) for a, b in pairs if b.size]
    return max((float("inf") if np.isnan(x) else x for x in worst), default=0.0)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imported packages print is no answer
    import jax

    jax.config.update("jax_default_matmul_precision", "highest")
    for line in sys.stdin:
        row = json.loads(line)
        reference.make_importable([Path(folder) for folder in row["import_from"]])
        try:
            found = convert(sys.argv[1], row)
        except Exception as error:  # PyTorch itself fails
            found = {"status": "crashed", "reason": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
