"""Lifting: a mined whole model, built once, as a tree that builds the same function.

A module that only hands arrays from one child to the next is unrolled; one whose contract makes exactly what the model
holds becomes a block whose arguments are decisions; what is left stands with all its arguments, and with those of its
parts listed that another module may replace. Nothing is unrolled in doubt: what the tree says is built and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jnas.library.binding import BindError, Shape, bind, bound_names, output_shape
from jnas.library.block import Block
from jnas.library.exact import Bound, bind_exact
from jnas.library.layers import LAYERS
from jnas.library.models import MAKES
from jnas.library.store import Library
from jnas.models.build import BuildError, build, construct
from jnas.models.likeness import same_build
from jnas.models.recorded import Unsayable, block_name, bound_to_width, node_of, recorded_arguments
from jnas.models.rewiring import DROPOUTS, filling, is_own_head
from jnas.models.tracing import Call, Recording, record, slots, to_tensor
from jnas.trees.node import Node, canonical, network, repeat, sequence
from translators.diagnostics import Refused, UserError
from translators.runtime import nn
from translators.runtime.construction import constructing

CLASS_COUNTS = ("num_classes", "n_classes", "num_class", "classes", "n_class", "nclass", "num_labels", "out_classes")
WIDTHS = ("in_chans", "in_channels", "in_chs", "in_ch", "num_channels", "channels", "input_channels", "n_channels")
SIZES = ("img_size", "image_size", "input_size", "in_size", "input_resolution", "resolution")


@dataclass(frozen=True)
class Lifted:
    """A tree, and for every module of it, in the order of `placements`, the attribute path that it has in the model."""

    tree: Node
    origins: tuple[str, ...]


@dataclass(frozen=True)
class _Leaf:
    """A node and where it comes from; `inside` are those of its parts that are listed, in the order of the node's."""

    node: Node
    origin: str
    inside: tuple[_Leaf, ...] = ()

    def origins(self) -> Iterator[str]:
        yield self.origin
        for leaf in self.inside:
            yield from leaf.origins()


def lift(block: Block, options: Mapping[str, Any], library: Library, shape: Shape, classes: int) -> Lifted:
    """The model that a factory or class makes with keyword `options`, for images of `shape`.

    Image width and size and the number of classes are supplied where the model takes them. Raises UserError.
    """
    block, values, recording = built(block, options, library, shape, classes)
    given = bind_exact(values, shape, classes)
    training = _recorded(block, given, library, shape, training=True)
    made = Node(block.name, values, exact=("NCHW", "NC"))
    failures = []
    for attempt in (_unrolled, _whole):
        try:
            make = partial(construct, block, given, library)
            lifter = _Lifter(library, shape, classes, recording, training, make)
            leaves, tree = attempt(lifter, made)
            tree = canonical(tree, library)
            _check(tree, recording, library, shape, classes)
            return Lifted(tree, tuple(origin for leaf in leaves for origin in leaf.origins()))
        except (_NoChain, BuildError, BindError) as error:
            failures.append(str(error))
    raise UserError(f"{block.name} cannot be a tree: {failures[-1]}")


class _NoChain(Exception):
    """The model is no row of modules."""


def built(
    block: Block, options: Mapping[str, Any], library: Library, shape: Shape, classes: int
) -> tuple[Block, dict[str, Any], Recording]:
    """(what makes the model, its arguments, its recording). Options win over what a factory says itself: where it does
    not let them, its class is called with the factory's arguments and the options. Raises UserError."""
    try:
        return block, *_supplied(block, options, library, shape, classes)
    except UserError:
        if not options or MAKES not in block.provenance:
            raise
        try:
            recording = _supplied(block, {}, library, shape, classes)[1]
            model = library[block_name(recording.module, library) or block.name]
            said = recorded_arguments(recording.module, recording, library)
        except (UserError, Unsayable):
            model = block
        if model is block:
            raise
    own = {name: value for name, value in said.items() if name not in (*SIZES, *WIDTHS, *CLASS_COUNTS)}
    return model, *_supplied(model, own | dict(options), library, shape, classes)


def _supplied(
    block: Block, options: Mapping[str, Any], library: Library, shape: Shape, classes: int
) -> tuple[dict[str, Any], Recording]:
    """(arguments, recording): with as much of the data set as the model takes. Raises UserError."""
    parameters = {parameter.name: parameter for parameter in block.parameters}
    data: dict[str, Bound] = {}
    for names, kind in ((SIZES, "height"), (WIDTHS, "width"), (CLASS_COUNTS, "classes")):
        found = next((n for n in names if n in parameters and n not in options), None)
        if found:
            pair = kind == "height" and isinstance(parameters[found].default, (tuple, list))
            data[found] = Bound("pair" if pair else kind)
    failure = ""
    for start in range(len(data) + 1):
        values = dict(list(data.items())[start:]) | dict(options)
        try:
            recording = _recorded(block, bind_exact(values, shape, classes), library, shape)
            returned = getattr(recording.call.returned, "shape", None)
            if returned is None or len(returned) != 2 or returned[1] != classes:
                raise UserError(f"returns {returned or type(recording.call.returned).__name__}, not logits")
            return values, recording
        except Exception as error:  # whatever translated code raises
            text = (str(error).strip().splitlines() or [""])[0]
            said = text if isinstance(error, (UserError, Refused)) else f"{type(error).__name__}: {text}"
            failure = failure or said
    known = ", ".join(list(parameters)[:8])
    size = " x ".join(map(str, shape))
    raise UserError(f"{block.name} at {size}, {classes} classes: {failure}; give other options, it takes {known}")


def _recorded(
    block: Block, values: Mapping[str, Any], library: Library, shape: Shape, training: bool = False
) -> Recording:
    return record(lambda: construct(block, values, library), to_tensor(shape, "NCHW"), training)


def _check(tree: Node, recording: Recording, library: Library, shape: Shape, classes: int) -> None:
    """Raises BuildError when the tree does not build a network with the same parameters."""

    def sizes(module: Any) -> list[tuple[int, ...]]:
        return sorted(tuple(parameter.shape) for parameter in module.parameters())

    network = build(tree, library, shape, classes, abstract=True)
    if sizes(network) != sizes(recording.module):
        raise BuildError((), "shape", "the tree has other parameters than the model")
    try:
        record(lambda: build(tree, library, shape, classes, abstract=True), to_tensor(shape, "NCHW"))
    except Exception as error:  # whatever translated code raises
        raise BuildError((), "error", f"{type(error).__name__}: {error}") from error


# The two forms of a tree


def _whole(lifter: _Lifter, made: Node) -> tuple[list[_Leaf], Node]:
    """The model as one exact node with its parts listed."""
    leaf = lifter.with_inside(made, lifter.recording.call, "")
    return [leaf], network(None, (), leaf.node)


def _unrolled(lifter: _Lifter, made: Node) -> tuple[list[_Leaf], Node]:
    """Stem, stages and head of a model that is a row of modules."""
    tail: Call | None
    head: list[_Leaf] = []
    steps = lifter.steps(lifter.recording.call)
    if steps is None:
        steps, tail = lifter.steps_before_head()
    else:
        cut = lifter.cut(steps)
        own = next((i for i in range(cut) if lifter.is_own_head(steps, i)), None)
        tail = None if own is None else steps[-1].call
        head = [] if own is not None else [leaf for step in steps[cut:] for leaf in lifter.leaves(step)]
        steps = steps[: cut if own is None else own + 1]
    if not steps:
        raise _NoChain("no modules stand in a row")
    stem, stages = lifter.stages(steps)
    leaves = [leaf for group in (stem, *stages, head) for leaf in group]
    if tail is not None:
        leaves.append(_Leaf(Node("network"), str(tail.path)))  # the classifier, the last of the placements
    tree = network(_row(stem), [sequence(*_grouped(stage)) for stage in stages], _row(head))
    return leaves, tree


def _row(leaves: Sequence[_Leaf]) -> Node | None:
    return sequence(*_grouped(leaves)) if leaves else None


def _grouped(leaves: Sequence[_Leaf]) -> list[Node]:
    """The nodes, equal neighbours as a repeat."""
    counted: list[tuple[Node, int]] = []
    for leaf in leaves:
        if counted and counted[-1][0] == leaf.node:
            counted[-1] = (leaf.node, counted[-1][1] + 1)
        else:
            counted.append((leaf.node, 1))
    return [node if times == 1 else repeat(node, times) for node, times in counted]


@dataclass(frozen=True)
class _Step:
    """One module of a row, and the layers that stand for what happens between it and the module before."""

    call: Call
    between: tuple[Node, ...] = ()


class _Lifter:
    """One recorded model."""

    def __init__(
        self,
        library: Library,
        shape: Shape,
        classes: int,
        recording: Recording,
        training: Recording,
        make: Callable[[], Any],
    ):
        self.library, self.shape, self.classes = library, shape, classes
        self.recording, self.make = recording, make
        self.slots = slots(recording, shape, ("NCHW", "NC"))
        calls = [call for call in recording.call.walk() if call.path is not None]
        self._times: dict[str, int] = {}
        for call in calls:
            self._times[str(call.path)] = self._times.get(str(call.path), 0) + 1
        self._training = {str(call.path): call for call in training.call.walk()}
        self._filled: dict[str, tuple[Node, ...] | None] = {}

    # Rows of modules

    def steps(self, call: Call) -> list[_Step] | None:
        """The calls that `call` consists of, where each receives what the one before gives; else None."""
        inner = [c for c in call.inner if not self._is_nothing(c)]
        if not inner or not all(self._is_single(c) for c in inner) or not self._same_in_training(call):
            return None
        steps, given = [], call.received
        for step in inner:
            between = () if step.received is given else self._between(call, step, given)
            if between is None:
                return None
            steps.append(_Step(step, between))
            given = step.returned
        return steps if given is call.returned else None

    def steps_before_head(self) -> tuple[list[_Step], Call]:
        """The row of modules before the network's own head, and the classifier. Raises _NoChain."""
        call = self.recording.call
        inner = [c for c in call.inner if not self._is_nothing(c)]
        steps: list[_Step] = []
        given = call.received
        last = inner[-1] if inner else None
        if last is None or type(last.module) is not nn.Linear or not self._same_in_training(call):
            raise _NoChain("it is no row of modules that ends in a classifier")
        for step in inner[:-1]:
            between = () if step.received is given else self._between(call, step, given)
            if between is None or not self._is_single(step):
                break
            steps.append(_Step(step, between))
            given = step.returned
        while steps and not is_own_head(self.recording, self.make, steps[-1].call, last):
            if any(True for _ in steps[-1].call.module.parameters()):
                raise _NoChain("what follows the last module is no average pooling with a classifier")
            steps.pop()
        return steps, last

    def _is_single(self, call: Call) -> bool:
        return call.plain and call.path is not None and self._times[call.path] == 1 and hasattr(call.returned, "shape")

    def _is_nothing(self, call: Call) -> bool:
        """Whether the module hands on what it receives, in training too."""
        other = self._training.get(str(call.path))
        nothing = call.returned is call.received and other is not None and other.returned is other.received
        return nothing and not any(True for _ in call.module.parameters())

    def _same_in_training(self, call: Call) -> bool:
        """Whether the same modules hand their results on in the same way in training mode."""
        other = self._training.get(str(call.path))
        if other is None or [c.path for c in call.inner] != [c.path for c in other.inner]:
            return False
        return _links(call) == _links(other)

    def _between(self, call: Call, step: Call, given: Any) -> tuple[Node, ...] | None:
        """The layer that makes `given` into what `step` receives."""
        key = f"{call.path}>{step.path}"
        if key not in self._filled:
            before = [c for c in call.inner if c.returned is given]
            known = bool(before) and before[-1].path is not None and hasattr(given, "shape")
            layer = filling(self.recording, self.make, before[-1], step) if known else None
            self._filled[key] = None if layer is None else (layer,)
        return self._filled[key]

    # Heads

    def cut(self, steps: Sequence[_Step]) -> int:
        """How many of the steps come before the head: up to the last feature map."""
        last = max((i for i, step in enumerate(steps) if len(step.call.returned.shape) > 2), default=-1)
        head = next((i for i, step in enumerate(steps) if len(step.call.returned.shape) == 2), len(steps))
        return min(last + 1, head)

    def is_own_head(self, steps: Sequence[_Step], last: int) -> bool:
        """Whether what follows step `last` is average pooling and a linear classifier."""
        tail = steps[last + 1 :]
        if (
            not tail
            or type(tail[-1].call.module) is not nn.Linear
            or any(type(step.call.module) in DROPOUTS and getattr(step.call.module, "p", 0) for step in tail)
        ):
            return False
        if any(True for step in tail[:-1] for _ in step.call.module.parameters()):
            return False
        return is_own_head(self.recording, self.make, steps[last].call, tail[-1].call)

    # Stages

    def stages(self, steps: Sequence[_Step]) -> tuple[list[_Leaf], list[list[_Leaf]]]:
        """(leaves of the stem, leaves of each stage): a list of blocks is a stage, a list of lists several."""
        groups: list[tuple[bool, list[_Leaf]]] = []
        for step in steps:
            parts = self._lists(step)
            for part in parts:
                if groups and part.between:  # what a function does to a result stands where the result does
                    groups[-1][1].extend(_Leaf(node, "") for node in part.between)
                    part = _Step(part.call)
                groups.append((self._is_stage(part.call), self.leaves(part)))
        first = next((i for i, (is_stage, _) in enumerate(groups) if is_stage), min(1, len(groups) - 1))
        stem = [leaf for _, group in groups[:first] for leaf in group]
        stages: list[list[_Leaf]] = []
        open_stage: list[_Leaf] = []
        for is_stage, group in groups[first:]:
            open_stage = open_stage + group
            if is_stage:
                stages.append(open_stage)
                open_stage = []
        if open_stage:
            stages.append(open_stage)
        return stem, [stage for stage in stages if stage]

    def _lists(self, step: _Step) -> list[_Step]:
        inner = self.steps(step.call) if type(step.call.module) is nn.Sequential else None
        if inner and sum(self._is_stage(part.call) for part in inner) > 1:
            return [_Step(inner[0].call, step.between + inner[0].between), *inner[1:]]
        return [step]

    def _is_stage(self, call: Call) -> bool:
        """Whether a module is a row in which mined blocks stand as members of a list."""
        steps = self.steps(call)
        if steps is None:
            return False
        for step in steps:
            name = str(step.call.path).rpartition(".")[2]
            if name.isdigit() and self._is_block(step.call):
                return True
            if type(step.call.module) is nn.Sequential and self._is_stage(step.call):
                return True
        return False

    def _is_block(self, call: Call) -> bool:
        """Whether a module is mined and made of others."""
        return bool(call.inner) and block_name(call.module, self.library) not in (None, *LAYERS)

    # Nodes

    def leaves(self, step: _Step) -> list[_Leaf]:
        """One module as nodes. Raises _NoChain when its arguments cannot be said in a tree."""
        call = step.call
        found = [_Leaf(node, "") for node in step.between]
        steps = self.steps(call)
        if steps and (type(call.module) is nn.Sequential or self._is_stage(call)):
            return found + [leaf for inner in steps for leaf in self.leaves(inner)]
        node = self._placeable(call) or self._exact(call)
        if node is not None:
            return [*found, self.with_inside(node, call, str(call.path)) if node.exact else _Leaf(node, str(call.path))]
        if steps:
            return found + [leaf for inner in steps for leaf in self.leaves(inner)]
        raise _NoChain(f"the arguments of {call.path} ({type(call.module).__name__}) cannot be said in a tree")

    def _edges(self, call: Call) -> tuple[tuple[str, str], Shape, Shape] | None:
        slot = self.slots.get(str(call.path))
        return None if slot is None else ((slot.layout, slot.output_layout), slot.before, slot.after)

    def _placeable(self, call: Call) -> Node | None:
        """The block with the decisions that bind to exactly this module, where its contract reaches that far."""
        name, edges = block_name(call.module, self.library), self._edges(call)
        block = self.library.get(name or "")
        if block is None or block.contract is None or edges is None:
            return None
        layouts, before, after = edges
        try:
            given = recorded_arguments(call.module, self.recording, self.library)
            decisions = {k: v for k, v in given.items() if k not in bound_names(block) and block.parameter(k)}
            for key in sorted(decisions):
                rest = {k: v for k, v in decisions.items() if k != key}
                if _means(block, rest, before, key, decisions[key]):
                    decisions = rest
            bound = bind(block, decisions, before)
            fits = output_shape(block, decisions, before) == after
        except (BindError, Unsayable):
            return None
        if not fits or layouts != (block.contract.layout, block.contract.output_layout):
            return None
        return Node(block.name, decisions) if self.makes(block, bound, call.module) else None

    def _exact(self, call: Call) -> Node | None:
        edges = self._edges(call)
        if edges is None:
            return None
        layouts, before, _ = edges
        try:
            node = bound_to_width(node_of(call.module, self.recording, self.library, layouts), before[0], self.library)
        except Unsayable:
            return None
        if call.returned is self.recording.call.returned:
            node = replace(node, args={k: self._class_count(k, v) for k, v in node.args.items()})
        values = bind_exact(node.args, before, self.classes)
        return node if self.makes(self.library[node.block], values, call.module) else None

    def _class_count(self, name: str, value: Any) -> Any:
        return Bound("classes") if value == self.classes and name in (*CLASS_COUNTS, "out_features") else value

    def makes(self, block: Block, values: Mapping[str, Any], module: Any) -> bool:
        """Whether the block with these arguments is built like `module`."""
        try:
            with constructing(abstract=True):
                made = construct(block, values, self.library)
        except Exception:  # whatever translated code raises
            return False
        return same_build(made, module)

    def with_inside(self, node: Node, call: Call, origin: str) -> _Leaf:
        """The node with those parts listed that are lists of blocks, or blocks with a contract."""
        at: dict[str, Any] = {}
        inside: dict[str, tuple[_Leaf, ...]] = {}
        for part in self._parts(call, origin):
            place, leaves, many = part
            nodes = [leaf.node for leaf in leaves]
            at[place] = tuple(nodes) if many else sequence(*nodes) if len(nodes) > 1 else nodes[0]
            inside[place] = tuple(leaves)
        listed = replace(node, at=at)
        return _Leaf(listed, origin, tuple(leaf for place in listed.at for leaf in inside[place]))

    def _parts(self, call: Call, origin: str) -> Iterator[tuple[str, list[_Leaf], bool]]:
        """(place, leaves, whether it is a list) of the outermost parts of `call` that are worth listing."""
        by_path = {str(c.path): c for c in call.walk()}
        prefix, done = f"{origin}." if origin else "", list[str]()
        for path, slot in self.slots.items():
            if not path.startswith(prefix) or path == origin or any(path.startswith(f"{other}.") for other in done):
                continue
            try:
                leaves = self._listed(path, slot.many, by_path)
            except _NoChain:
                continue
            if leaves:
                done.append(path)
                yield path.removeprefix(prefix), leaves, slot.many

    def _listed(self, path: str, many: bool, by_path: Mapping[str, Call]) -> list[_Leaf]:
        module = self.recording.module.get_submodule(path)
        if many:
            members = [by_path[f"{path}.{name}"] for name, _ in module.named_children()]
            if not any(map(self._is_block, members)):
                return []
            leaves = [self.leaves(_Step(member)) for member in members if not self._is_nothing(member)]
            return [leaf for found in leaves for leaf in found]
        node = self._placeable(by_path[path]) if self._is_block(by_path[path]) else None
        return [] if node is None else [_Leaf(node, path)]


def _links(call: Call) -> list[bool]:
    """Which inner call receives what the one before it returned."""
    given, links = call.received, []
    for inner in call.inner:
        links.append(inner.received is given)
        given = inner.returned
    return [*links, given is call.returned]


def _means(block: Block, rest: Mapping[str, Any], shape: Shape, name: str, value: Any) -> bool:
    """Whether leaving `name` out means `value` here."""
    parameter = block.parameter(name)
    try:
        implied = bind(block, rest, shape).get(name, parameter.default if parameter else None)
    except BindError:
        return False
    required = parameter is not None and parameter.required and name not in bind(block, rest, shape)
    return not required and type(implied) is type(value) and implied == value
