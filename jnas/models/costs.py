"""What a network costs, known without computing it: every block is traced abstractly, once per place it can be in.

Conventions, all per example and of the forward pass: multiply-adds are the multiplications in convolutions and matrix
products (what fvcore counts for them; norms, activations and pooling count nothing), a depthwise convolution as such
however it is lowered; activations are the elements that these operations put out; depth is the longest chain of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jnas.library.binding import Shape
from jnas.library.exact import CLASSES, Bound
from jnas.library.memo import Memo
from jnas.library.store import Library
from jnas.models.assembly import CLASSIFIER, BuildError, place
from jnas.models.build import build_block
from jnas.models.contents import content_key
from jnas.trees.node import AT, Node, Path, children, path_text, to_json, walk
from jnas.trees.shapes import ShapeError, inference_of
from translators.diagnostics import Refused
from translators.runtime.construction import randomness
from translators.runtime.functional.convolution import platform

FLOAT = 4  # bytes
COPIES = 3  # of the parameters in training: themselves, gradient, momentum


@dataclass(frozen=True)
class NodeCost:
    """Shapes per example (C, H, W). A container counts what is inside it; what is in a repeat counts its first copy.

    `kept`: bytes that a training step keeps for its backward pass, before XLA fuses any.
    """

    in_shape: Shape
    out_shape: Shape
    parameters: int
    multiply_adds: int
    activations: int = 0
    depth: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Inspection:
    """Costs of a whole network, and of each node by path text."""

    nodes: Mapping[str, NodeCost]

    @property
    def parameters(self) -> int:
        return self.nodes[""].parameters

    @property
    def multiply_adds(self) -> int:
        return self.nodes[""].multiply_adds

    def memory(self, batch: int) -> int:
        """Bytes of a training step: parameters, gradient and momentum, and what is kept. An upper estimate."""
        total = self.nodes[""]
        return FLOAT * COPIES * total.parameters + batch * total.kept


class Unmeasured(Exception):
    """A block of the tree has not been measured at its place, and measuring it was not asked for."""


NOTHING = Node("nn.Identity", exact=("NCHW", "NCHW"))
_KNOWN: dict[tuple[str, Node, Shape, int, int | None], NodeCost | BuildError] = {}  # the last MOST_KNOWN
MOST_KNOWN = 2**16


def inspect(
    tree: Node,
    library: Library,
    shape: Shape,
    classes: int,
    batch: int = 64,
    *,
    memo: Memo | None = None,
    execute: bool = True,
) -> Inspection:
    """Trace every block of `tree` and its gradient in training mode at (batch, *shape), and count. Raises BuildError.

    What this process or `memo` has seen costs a look-up. Without `execute` nothing else is done, so that no mined code
    runs: then raises Unmeasured where something is new.
    """
    measuring = _Measuring(library, classes, batch, memo, execute)
    try:
        width = measuring.inference.out(tree, shape)[0]
    except ShapeError as error:
        raise BuildError(error.path, "shape", error.reason) from error
    nodes: dict[str, NodeCost] = {}
    parts = [measuring.cost(tree, shape, (), nodes)]
    logits = (classes, 1, 1)
    if "head" not in tree.args:
        kept = FLOAT * (width + classes)
        parts.append(NodeCost((width, 1, 1), logits, (width + 1) * classes, width * classes, classes, 1, kept))
        nodes[path_text(CLASSIFIER)] = parts[-1]
    nodes[""] = _sum(shape, logits, parts)
    return Inspection(nodes)


class _Measuring:
    """One inspection: which library, at what batch, and where to look first."""

    def __init__(self, library: Library, classes: int, batch: int, memo: Memo | None, execute: bool):
        self.library, self.classes, self.batch, self.memo, self.execute = library, classes, batch, memo, execute
        self.inference = inference_of(library)

    def cost(self, node: Node, shape: Shape, path: Path, nodes: dict[str, NodeCost]) -> NodeCost:
        """Cost of `node`; with that of all below it in `nodes`."""
        if not node.is_container:
            found = self._filled(node, shape, path, nodes)
        elif node.block == "repeat":
            found = self._repeat(node, shape, path, nodes)
        else:
            parts, incoming = [], shape
            for step, child in children(node):
                parts.append(self.cost(child, incoming, path + step, nodes))
                if node.block != "branches":
                    incoming = parts[-1].out_shape
            found = _sum(shape, self.inference.out(node, shape), parts, node)
        nodes[path_text(path)] = found
        return found

    def _repeat(self, node: Node, shape: Shape, path: Path, nodes: dict[str, NodeCost]) -> NodeCost:
        copies = [self.cost(node.args["body"], shape, (*path, "body"), nodes)]
        for _ in range(node.args["times"] - 1):
            incoming = copies[-1].out_shape
            same = incoming == copies[-1].in_shape
            copies.append(copies[-1] if same else self.cost(node.args["body"], incoming, (*path, "body"), {}))
        return _sum(shape, copies[-1].out_shape, copies)

    def _filled(self, node: Node, shape: Shape, path: Path, nodes: dict[str, NodeCost]) -> NodeCost:
        """A block, and apart from it what stands inside and keeps the shape, so that an edit there measures no more."""
        hollow, parts = dict(node.at), list[NodeCost]()
        slots = self.inference.slots(node, shape) if node.at else {}
        for name, value in node.at.items():
            many, incoming = isinstance(value, tuple), slots[name].before
            left = []
            for number, item in enumerate(value if many else (value,)):
                at = (*path, AT, name, number) if many else (*path, AT, name)
                part = self.cost(item, incoming, at, nodes)
                same = part.out_shape == incoming
                left.append(NOTHING if same else item)
                parts += [part] if same else []
                incoming = part.out_shape
            hollow[name] = tuple(left) if many else left[0]
        whole = self._block(Node(node.block, node.args, hollow, node.exact) if parts else node, shape, path)
        return _sum(shape, whole.out_shape, [whole, *parts]) if parts else whole

    def _block(self, node: Node, shape: Shape, path: Path) -> NodeCost:
        classes = self.classes if Bound("classes") in node.args.values() else None
        key = (self.library.fingerprint, node, shape, self.batch, classes)
        found = _KNOWN.get(key)
        if found is None:
            found = self._measured(node, shape, classes)
            while len(_KNOWN) >= MOST_KNOWN:
                _KNOWN.pop(next(iter(_KNOWN)), None)
            _KNOWN[key] = found
        if isinstance(found, BuildError):
            raise BuildError(path, found.reason, found.message)
        return found

    def _measured(self, node: Node, shape: Shape, classes: int | None) -> NodeCost | BuildError:
        key = ""
        if self.memo is not None:
            names = frozenset(inner.block for _, inner in walk(node) if not inner.is_container)
            key = content_key(self.library, names, to_json(node), shape, self.batch, classes)
            found = _from_record(self.memo.get(key))
            if found is not None:
                return found
        if not self.execute:
            raise Unmeasured(node.block)
        result: NodeCost | BuildError
        try:
            result = cost = measure(node, self.library, shape, self.batch, classes)
            record = asdict(cost)
        except BuildError as error:
            result, record = error, {"reason": error.reason, "message": error.message}
        if self.memo is not None:
            self.memo.put(key, record)
        return result


def _from_record(record: Any) -> NodeCost | BuildError | None:
    """What was remembered; None for nothing, and for what is no such record."""
    try:
        if "reason" in record:
            return BuildError((), record["reason"], record["message"])
        shapes = {name: tuple(record[name]) for name in ("in_shape", "out_shape")}
        return NodeCost(**{**record, **shapes})
    except (TypeError, KeyError):
        return None


def _sum(before: Shape, after: Shape, parts: list[NodeCost], node: Node | None = None) -> NodeCost:
    depths = [part.depth for part in parts]
    return NodeCost(
        before,
        after,
        sum(part.parameters for part in parts),
        sum(part.multiply_adds for part in parts),
        sum(part.activations for part in parts),
        max(depths) if node is not None and node.block == "branches" else sum(depths),
        sum(part.kept for part in parts),
    )


def measure(node: Node, library: Library, shape: Shape, batch: int, classes: int | None = None) -> NodeCost:
    """Build and trace one block at (batch, *shape), forward and backward. Raises BuildError.

    `classes`: what a head puts out, None for any other block.
    """
    inference = inference_of(library)
    placed = place(node, library, inference, shape, (), classes or CLASSES)
    module = build_block(placed, library, abstract=True)
    trained = sum(math.prod(parameter.shape) for parameter in module.parameters())
    graph, parameters, *rest = nnx.split(module, nnx.Param, ...)
    images = jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
    inputs = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (parameters, rest, images))

    def forward(parameters: Any, rest: Any, x: jax.Array) -> jax.Array:
        with randomness(jax.random.key(0)):
            return nnx.merge(graph, parameters, *rest, copy=True)(x)

    def gradient(parameters: Any, rest: Any, x: jax.Array) -> Any:
        y, backward = jax.vjp(lambda parameters, x: forward(parameters, rest, x), parameters, x)
        return backward, backward(jnp.ones_like(y))

    lowering = platform.set("tpu")  # on a CPU depthwise convolutions are no convolutions and would not be counted
    try:
        jaxpr, out = jax.make_jaxpr(forward, return_shape=True)(*inputs)
        kept, _ = jax.eval_shape(gradient, *inputs)
    except Refused as refused:
        raise BuildError((), "refused", str(refused)) from refused
    except Exception as error:  # whatever translated code raises: a failing candidate is a result
        raise BuildError((), "error", f"{node.block}: {type(error).__name__}: {error}") from error
    finally:
        platform.reset(lowering)
    expected = (batch, *(inference.out(node, shape) if classes is None else (classes, 1, 1)))
    if getattr(out, "shape", None) != expected:
        raise BuildError(
            (), "shape", f"{node.block} gives {getattr(out, 'shape', type(out))}, its contract says {expected}"
        )
    operations = list(_operations(jaxpr.jaxpr, 1))
    return NodeCost(
        shape,
        expected[1:],
        trained,
        sum(multiplications for multiplications, _ in operations) // batch,
        sum(elements for _, elements in operations) // batch,
        max(_depths(jaxpr.jaxpr, [0] * len(jaxpr.jaxpr.invars)), default=0),
        max(0, sum(_bytes(leaf) for leaf in jax.tree.leaves(kept)) - FLOAT * trained) // batch,
    )


def _bytes(leaf: Any) -> int:
    return math.prod(leaf.shape) * leaf.dtype.itemsize


def _operations(jaxpr: Any, times: int) -> Iterator[tuple[int, int]]:
    """(multiplications, elements put out) of every convolution and matrix product, inner programs included."""
    for equation in jaxpr.eqns:
        factor = _factor(equation)
        if factor is not None:
            elements = times * math.prod(equation.outvars[0].aval.shape)
            yield elements * factor, elements
        else:
            length = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
            for inner in _inner(equation.params):
                yield from _operations(inner, times * length)


def _factor(equation: Any) -> int | None:
    """Multiplications per element of the output; None for what is neither convolution nor matrix product."""
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        return math.prod(equation.invars[0].aval.shape[i] for i in contracted)
    if equation.primitive.name == "conv_general_dilated":
        kernel = equation.params["dimension_numbers"].rhs_spec  # (out features, in features, spatial ...)
        return math.prod(equation.invars[1].aval.shape[i] for i in kernel[1:])
    return None


def _depths(jaxpr: Any, incoming: list[int]) -> list[int]:
    """Depth of each output, given those of the inputs."""
    levels: dict[Any, int] = dict(zip(jaxpr.invars, incoming, strict=True))
    for equation in jaxpr.eqns:
        before = [0 if hasattr(v, "val") else levels.get(v, 0) for v in equation.invars]
        deepest = max(before, default=0)
        inner = list(_inner(equation.params))
        if _factor(equation) is not None:
            after = [deepest + 1] * len(equation.outvars)
        elif len(inner) == 1 and len(inner[0].invars) == len(before) and len(inner[0].outvars) == len(equation.outvars):
            after = _depths(inner[0], before)
        else:
            below = max((d for i in inner for d in _depths(i, [0] * len(i.invars))), default=0)
            after = [deepest + below] * len(equation.outvars)
        levels.update(zip(equation.outvars, after, strict=True))
    return [0 if hasattr(v, "val") else levels.get(v, 0) for v in jaxpr.outvars]


def _inner(params: dict[str, Any]) -> Iterator[Any]:
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            jaxpr = getattr(item, "jaxpr", item)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr
