"""Modules that stand in a network several times are traced once: calls of them are calls of one program (ours).

The compiler writes all calls out again, so that the step is the same; deep networks are traced in half of the time.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import numpy as np
from flax import nnx

from translators.runtime.construction import Observer, observer, randomness
from translators.runtime.module import Module, forget_traced

LEAST = 2  # modules with variables of their own: tracing less again is as quick as calling a program


@contextmanager
def traced_once(network: Module) -> Iterator[None]:
    """Inside, calls of the modules of `network` that are alike are calls of one program."""
    token = observer.set(_Once(_repeated(network)))
    try:
        yield
    finally:
        observer.reset(token)


class _Unlike(Exception):
    """A call does more than to take arrays, give arrays and change buffers."""


class _Once(Observer):
    """`kinds`: of the modules of these ids; modules of a kind are alike."""

    def __init__(self, kinds: dict[int, int]):
        self.kinds = kinds
        self.graphs: dict[int, _Graph | None] = {}  # by kind; None where a call does more than a program can say
        # A function of its own: what JAX keeps of it goes with it.
        self.run = jax.jit(partial(_called), static_argnums=0)

    def calls(self, module: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        kind = self.kinds.get(id(module))
        if kind is None or kwargs or not all(isinstance(x, (jax.Array, np.ndarray)) for x in args):
            return super().calls(module, args, kwargs)
        graph, *states = nnx.split(module, nnx.Param, ...)
        known = self.graphs.setdefault(kind, _Graph(graph))
        if known is None or known.graph != graph:
            return super().calls(module, args, kwargs)
        try:
            result, after = self.run(known, *states, *args)
        except Exception:  # whatever it is: a plain call does it, or raises it, where it belongs
            self.graphs[kind] = None
            return super().calls(module, args, kwargs)
        nnx.update(module, after)
        return result


class _Graph:
    """The structure of modules that are alike, equal to itself alone: comparing deep ones at each call takes long."""

    def __init__(self, graph: Any):
        self.graph = graph


def _called(known: _Graph, parameters: Any, rest: Any, *args: Any) -> tuple[Any, Any]:
    module = nnx.merge(known.graph, parameters, rest, copy=True)
    with randomness(None):  # what is drawn would be the same in all calls
        result = module.forward(*args)
    forget_traced(module)
    graph, *states = nnx.split(module, nnx.Param, ...)
    parameters_after, after = states
    kept = all(map(operator.is_, *map(jax.tree.leaves, (parameters_after, parameters))))
    if graph != known.graph or not kept or not all(isinstance(x, jax.Array) for x in jax.tree.leaves(result)):
        raise _Unlike("it changes the module, or gives more than arrays")
    return result, after


def _repeated(network: Module) -> dict[int, int]:
    """The kind of each of the largest modules that are alike in class, settings and shapes, by id."""
    kinds: dict[Any, int] = {}
    kind_of: dict[int, int] = {}
    weight_of: dict[int, int] = {}

    def number(value: Any) -> Any:
        if isinstance(value, Module):
            if id(value) not in kind_of:
                kind_of[id(value)] = -1  # one that holds itself
                own = [(name, number(held)) for name, held in vars(value).items()]
                holds = any(isinstance(held, nnx.Variable) for held in vars(value).values())
                weight_of[id(value)] = holds + sum(weight_of.get(id(child), 0) for child in value.children())
                kind_of[id(value)] = kinds.setdefault((type(value), *own), len(kinds))
            return kind_of[id(value)]
        if isinstance(value, nnx.Variable):
            return type(value), value.shape, value.dtype
        if isinstance(value, (list, tuple)):
            return tuple(map(number, value))
        return value if isinstance(value, (int, float, str, bool)) else type(value)

    number(network)
    count = Counter(kind_of.values())
    found: dict[int, int] = {}

    def choose(module: Module) -> None:
        for child in module.children():
            kind = kind_of[id(child)]
            called = type(child).forward is not Module.forward
            if called and count[kind] > 1 and weight_of[id(child)] >= LEAST:
                found[id(child)] = kind
            else:
                choose(child)

    choose(network)
    return found
