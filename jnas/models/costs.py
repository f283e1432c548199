"""What a network costs, known without computing it: every block is traced abstractly, once per place it can be in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jnas.library.binding import Shape
from jnas.library.store import Library
from jnas.models.assembly import CLASSIFIER, BuildError, place
from jnas.models.build import build_block
from jnas.trees.node import Node, Path, children, path_text
from jnas.trees.shapes import Inference, ShapeError
from translators.diagnostics import Refused
from translators.runtime.construction import randomness
from translators.runtime.functional.convolution import platform


@dataclass(frozen=True)
class NodeCost:
    """Shapes per example (C, H, W). A container counts what is inside it; what is in a repeat counts its first copy."""

    in_shape: Shape
    out_shape: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Inspection:
    """Trained parameters and multiply-adds per example of a whole network, and of each node by path text."""

    parameters: int
    multiply_adds: int
    nodes: dict[str, NodeCost]


_KNOWN: dict[tuple[str, Node, Shape, int], NodeCost | BuildError] = {}


def inspect(tree: Node, library: Library, shape: Shape, classes: int, batch: int = 64) -> Inspection:
    """Trace every block of `tree` and its gradient in training mode at (batch, *shape), and count. Raises BuildError.

    Multiply-adds are those of convolutions and matrix products of the forward pass, one per multiplication; a
    depthwise convolution counts as such however it is lowered. Blocks seen before in this process cost a look-up.
    """
    inference = Inference(library)
    try:
        width = inference.out(tree, shape)[0]
    except ShapeError as error:
        raise BuildError(error.path, "shape", error.reason) from error
    nodes = dict(_costs(tree, library, inference, shape, batch, ()))
    head = NodeCost((width, 1, 1), (classes, 1, 1), (width + 1) * classes, width * classes)
    total = nodes[""]
    nodes[path_text(CLASSIFIER)] = head
    nodes[""] = NodeCost(
        shape, head.out_shape, total.parameters + head.parameters, total.multiply_adds + head.multiply_adds
    )
    return Inspection(nodes[""].parameters, nodes[""].multiply_adds, nodes)


def _costs(
    node: Node, library: Library, inference: Inference, shape: Shape, batch: int, path: Path
) -> Iterator[tuple[str, NodeCost]]:
    """(path text, cost) of everything below `node`, and last of `node` itself."""
    out = inference.out(node, shape)
    if not node.is_container:
        cost = _block_cost(node, library, shape, batch, path)
        yield path_text(path), cost
        return
    parameters, multiply_adds, incoming = 0, 0, shape
    for copy in range(node.args["times"] if node.block == "repeat" else 1):
        for step, child in children(node):
            inside = dict(_costs(child, library, inference, incoming, batch, path + step))
            own = inside[path_text(path + step)]
            parameters += own.parameters
            multiply_adds += own.multiply_adds
            if node.block != "branches":
                incoming = own.out_shape
            if copy == 0:
                yield from inside.items()
    yield path_text(path), NodeCost(shape, out, parameters, multiply_adds)


def _block_cost(node: Node, library: Library, shape: Shape, batch: int, path: Path) -> NodeCost:
    key = (library.fingerprint, node, shape, batch)
    if key not in _KNOWN:
        try:
            _KNOWN[key] = _measured(node, library, shape, batch)
        except BuildError as error:
            _KNOWN[key] = error
    found = _KNOWN[key]
    if isinstance(found, BuildError):
        raise BuildError(path, found.reason, found.message)
    return found


def _measured(node: Node, library: Library, shape: Shape, batch: int) -> NodeCost:
    placed = place(node, library, Inference(library), shape, ())
    module = build_block(placed, abstract=True)
    trained = sum(math.prod(parameter.shape) for parameter in module.parameters())
    graph, parameters, *rest = nnx.split(module, nnx.Param, ...)
    images = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    inputs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (parameters, rest, images))

    def forward(parameters: Any, rest: Any, x: jax.Array) -> jax.Array:
        with randomness(jax.random.key(0)):
            return nnx.merge(graph, parameters, *rest, copy=True)(x)

    def loss(parameters: Any, rest: Any, x: jax.Array) -> jax.Array:
        return jnp.sum(forward(parameters, rest, x))

    lowering = platform.set("tpu")  # on a CPU depthwise convolutions are no convolutions and would not be counted
    try:
        jaxpr, out = jax.make_jaxpr(forward, return_shape=True)(*inputs)
        jax.eval_shape(jax.grad(loss, argnums=(0, 2)), *inputs)
    except Refused as refused:
        raise BuildError((), "refused", str(refused)) from refused
    except Exception as error:  # whatever translated code raises: a failing candidate is a result
        raise BuildError((), "error", f"{node.block}: {type(error).__name__}: {error}") from error
    finally:
        platform.reset(lowering)
    expected = (batch, *Inference(library).out(node, shape))
    if getattr(out, "shape", None) != expected:
        raise BuildError(
            (), "shape", f"{node.block} gives {getattr(out, 'shape', type(out))}, its contract says {expected}"
        )
    return NodeCost(shape, expected[1:], trained, multiply_adds(jaxpr.jaxpr) // batch)


def multiply_adds(jaxpr: Any) -> int:
    """Multiplications in convolutions and matrix products of a jaxpr, inner programs included."""
    total = 0
    for equation in jaxpr.eqns:
        name, shapes = equation.primitive.name, [v.aval.shape for v in equation.invars if hasattr(v, "aval")]
        if name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(shapes[0][i] for i in contracted)
        elif name == "conv_general_dilated":
            kernel = equation.params["dimension_numbers"].rhs_spec  # (out features, in features, spatial ...)
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(shapes[1][i] for i in kernel[1:])
        else:
            times = equation.params.get("length", 1) if name == "scan" else 1
            total += times * sum(multiply_adds(inner) for inner in _inner(equation.params))
    return total


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            jaxpr = getattr(item, "jaxpr", item)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr
