"""What a source itself says about constructor arguments: where a constructor passes them on, what call sites give."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from translators.class_graph import Class, ClassGraph
from translators.environment import dotted
from translators.index import Module, Symbol, Unit
from translators.mining import Argument, MinedClass, arguments_of, literal
from translators.parsing import children
from translators.rewriting.scopes import FunctionNode, own_nodes, parameters

CALLS_KEPT = 6

# Uses that are no parameter names.
CALLED = "()"  # the constructor calls it: a class or a factory
APPLIED = "forward()"  # kept, and called by forward: a module
ITEMS = "[]"  # indexed, measured or iterated over; "[3]" says how many items it must have at least
DIVISOR = "//"  # something is divided by it

_DEEPEST = 4  # constructors that hand keyword arguments on to each other
_LONGEST = 16  # items that a sequence is taken to have

_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups")
_POOLING = ("kernel_size", "stride", "padding")
_TORCH_PARAMETERS: dict[str, tuple[str, ...]] = {
    **{f"{kind}{n}d": _CONVOLUTION for kind in ("Conv", "LazyConv") for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": (*_CONVOLUTION[:5], "output_padding", "groups") for n in (1, 2, 3)},
    **{f"{kind}Pool{n}d": _POOLING for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"{kind}{n}d": ("num_features",) for kind in ("BatchNorm", "InstanceNorm") for n in (1, 2, 3)},
    "Linear": ("in_features", "out_features", "bias"),
    "LayerNorm": ("normalized_shape", "eps"),
    "GroupNorm": ("num_groups", "num_channels"),
    "MultiheadAttention": ("embed_dim", "num_heads", "dropout"),
    "Dropout": ("p",),
    "Embedding": ("num_embeddings", "embedding_dim"),
}
_TORCH_REQUIRED = {
    name: 3 if "Conv" in name else 1 if "Norm" in name or "Pool" in name else 2
    for name in _TORCH_PARAMETERS
    if name not in ("Dropout",)
}


class Usage:
    """Uses and call sites of every class of an index, read once."""

    def __init__(self, classes: ClassGraph):
        self._index = index = classes.index
        self._classes = classes
        self._names = {unit.name for unit in classes.classes}
        self._calls: dict[Unit, Counter[tuple[tuple[str, Any], ...]]] = defaultdict(Counter)
        for module in index.modules.values():
            for unit in module.units:
                self._read(module, unit.node, {})

    def describe(self, cls: Class, mined: MinedClass) -> MinedClass:
        """`mined` with the uses of its arguments and the literal arguments of its calls, most telling first."""
        uses = self._uses(cls)
        arguments = tuple(replace(argument, uses=uses.get(argument.name, ())) for argument in mined.arguments)
        arguments += tuple(self._passed_through(cls, {argument.name for argument in arguments}))
        required = {argument.name for argument in arguments if argument.required}
        calls = self._calls[cls.unit].items()
        # Stable: among equals the first in the source.
        ordered = sorted(calls, key=lambda item: (-sum(name in required for name, _ in item[0]), -item[1]))
        return replace(mined, arguments=arguments, calls=tuple(dict(call) for call, _ in ordered[:CALLS_KEPT]))

    # Call sites

    def _read(self, module: Module, node: ast.AST, defaults: Mapping[str, ast.expr]) -> None:
        if isinstance(node, FunctionNode):
            defaults = {**defaults, **_defaults(node), **self._classes_by_local_name(node)}
        elif isinstance(node, ast.Call):
            cls = self._class_of(module, node.func, defaults)
            if cls is not None and (given := self._given(module, cls, node, defaults)):
                self._calls[cls.unit][tuple(given.items())] += 1
        for child in children(node):
            self._read(module, child, defaults)

    def _classes_by_local_name(self, function: FunctionNode) -> dict[str, ast.expr]:
        """Local names that are assigned a class: `if block is None: block = Bottleneck`."""
        found: dict[str, ast.expr] = {}
        for node in own_nodes(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute() as value):
                    if (dotted(value) or "").rpartition(".")[2] in self._names:
                        found.setdefault(name, value)
        return found

    def _class_of(self, module: Module, func: ast.expr, defaults: Mapping[str, ast.expr]) -> Class | None:
        """The class that is called; a parameter stands for its default."""
        if isinstance(func, ast.Name) and func.id in defaults:
            func = defaults[func.id]
        name = dotted(func)
        if name is None or not (name.rpartition(".")[2] in self._names or name in module.bindings):
            return None
        symbol = self._index.resolve(module, name)
        return self._classes.classes.get(symbol.units[-1]) if symbol.kind == "unit" and not symbol.rest else None

    def _given(self, module: Module, cls: Class, call: ast.Call, defaults: Mapping[str, ast.expr]) -> dict[str, Any]:
        """Arguments of a call that are literals or classes of torch.nn, by name."""
        found = self._classes.method(cls, "__init__")
        if found is None:
            return {}
        known = parameters(found[1])[1:]
        named = [argument.arg for argument in [*found[1].args.posonlyargs, *found[1].args.args][1:]]
        plain = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
        pairs = list(zip(named, plain if len(plain) == len(call.args) else [], strict=False))
        open_ended = found[1].args.kwarg is not None
        pairs += [(k.arg, k.value) for k in call.keywords if k.arg is not None and (open_ended or k.arg in known)]
        values = {name: self._value(module, node, defaults) for name, node in pairs}
        return {name: value for name, value in values.items() if value is not _UNKNOWN}

    def _value(self, module: Module, node: ast.expr, defaults: Mapping[str, ast.expr]) -> Any:
        if isinstance(node, ast.Name) and node.id in defaults:
            node = defaults[node.id]
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        value = literal(node)
        if value is not None:
            return _hashable(value)
        made = isinstance(node, ast.Call) and not node.args and not node.keywords
        name = dotted(node.func if isinstance(node, ast.Call) and made else node)
        if name is not None:
            symbol = self._index.resolve(module, name)
            if symbol.kind == "foreign" and symbol.name.startswith("torch.nn.") and symbol.name.count(".") == 2:
                return symbol.name.removeprefix("torch.") + ("()" if made else "")
        return _UNKNOWN

    # Uses

    def _uses(self, cls: Class) -> dict[str, tuple[str, ...]]:
        """argument -> names under which the constructor passes it on, and other uses, in order."""
        found = self._classes.method(cls, "__init__")
        if found is None:
            return {}
        owner, constructor = found
        own = set(parameters(constructor)[1:])
        uses: dict[str, dict[str, None]] = defaultdict(dict)
        kept: dict[str, str] = {}
        for node in own_nodes(constructor):
            for name, use in self._uses_in(owner, node):
                if name in own:
                    uses[name][use] = None
            match node:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)], value=value):
                    if isinstance(value, ast.Name) and value.id in own:
                        kept[attribute] = value.id
        forward = self._classes.method(cls, "forward")
        for node in own_nodes(forward[1]) if forward is not None else ():
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attribute)) if attribute in kept:
                    uses[kept[attribute]][APPLIED] = None
        return {name: tuple(found) for name, found in uses.items()}

    def _passed_through(self, cls: Class, known: set[str]) -> Iterator[Argument]:
        """Arguments that `**kwargs` of the constructor bring: read from it, or required by what it is passed on to."""
        found = self._classes.method(cls, "__init__")
        if found is not None:
            yield from self._brought(*found, known)

    def _brought(self, owner: Class, constructor: FunctionNode, known: set[str], depth: int = 0) -> Iterator[Argument]:
        if constructor.args.kwarg is None or depth > _DEEPEST:
            return
        rest = constructor.args.kwarg.arg
        for node in own_nodes(constructor):
            argument = _read_from(rest, node)
            if argument is not None and argument.name not in known:
                known = known | {argument.name}
                yield argument
            if not isinstance(node, ast.Call) or not any(
                k.arg is None and dotted(k.value) == rest for k in node.keywords
            ):
                continue
            starred = any(isinstance(argument, ast.Starred) for argument in node.args)
            given = {k.arg for k in node.keywords} if starred else self._named_in(owner, node)
            for argument in self._required(owner, node.func, depth):
                if argument.name not in given | known:
                    known = known | {argument.name}
                    yield argument

    def _named_in(self, owner: Class, call: ast.Call) -> set[str]:
        positional = self._parameters(owner, call.func)[: len(call.args)]
        return {*positional, *(keyword.arg for keyword in call.keywords if keyword.arg is not None)}

    def _required(self, owner: Class, func: ast.expr, depth: int) -> Iterator[Argument]:
        """Required arguments of what is called, and of what that hands its keyword arguments on to."""
        called = self._constructor(owner, func)
        if called is not None:
            own = arguments_of(called[1], receiver=True)
            yield from (a for a in own if a.required)
            yield from (a for a in self._brought(*called, {a.name for a in own}, depth + 1) if a.required)
            return
        name = self._torch_name(owner, func)
        if name in _TORCH_REQUIRED:
            names = _TORCH_PARAMETERS[name][: _TORCH_REQUIRED[name]]
            yield from (Argument(name, True, None, "", "") for name in names)

    def _uses_in(self, owner: Class, node: ast.AST) -> Iterator[tuple[str, str]]:
        match node:
            case ast.Call(func=ast.Name(id="len" | "enumerate" | "zip"), args=args):
                yield from ((argument.id, ITEMS) for argument in args if isinstance(argument, ast.Name))
            case ast.Call(func=func, args=args, keywords=keywords):
                if isinstance(func, ast.Name):
                    yield func.id, CALLED
                names = self._parameters(owner, func)
                yield from ((a.id, name) for a, name in zip(args, names, strict=False) if isinstance(a, ast.Name))
                yield from ((k.value.id, k.arg) for k in keywords if k.arg and isinstance(k.value, ast.Name))
                starred = (a.value for a in args if isinstance(a, ast.Starred))
                yield from ((value.id, ITEMS) for value in starred if isinstance(value, ast.Name))
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                yield name, ITEMS
                if isinstance(index, ast.Constant) and isinstance(index.value, int) and 0 <= index.value < _LONGEST:
                    yield name, f"[{index.value + 1}]"
            case ast.For(iter=ast.Name(id=name)):
                yield name, ITEMS
            case ast.Compare(
                left=ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]),
                ops=[ast.Eq()],
                comparators=[ast.Constant(value=int(count))],
            ) if count < _LONGEST:
                yield name, f"[{count}]"
            case ast.Assign(targets=[ast.Tuple(elts=parts)], value=ast.Name(id=name)):
                yield name, ITEMS
                yield name, f"[{len(parts)}]"
            case ast.comprehension(iter=ast.Name(id=name)):
                yield name, ITEMS
            case ast.BinOp(op=ast.FloorDiv() | ast.Mod(), right=ast.Name(id=name)):
                yield name, DIVISOR
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                yield name, f".{attribute}"

    def _parameters(self, owner: Class, func: ast.expr) -> tuple[str, ...]:
        """Names of the positional parameters of what is called; none where that is not known."""
        called = self._constructor(owner, func)
        if called is not None:
            return tuple(parameters(called[1])[1:])
        return _TORCH_PARAMETERS.get(self._torch_name(owner, func) or "", ())

    def _constructor(self, owner: Class, func: ast.expr) -> tuple[Class, FunctionNode] | None:
        """The constructor that a call in a constructor of `owner` runs, and whose it is, if it is in the sources."""
        match func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
                return self._classes.method(owner, "__init__", skip_own=True)
        symbol = self._symbol(owner, func)
        if symbol is None or symbol.kind != "unit" or symbol.rest or symbol.units[-1] not in self._classes.classes:
            return None
        return self._classes.method(self._classes.classes[symbol.units[-1]], "__init__")

    def _torch_name(self, owner: Class, func: ast.expr) -> str | None:
        """The name of the class of torch that is called: "Conv2d"."""
        match func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"):
                symbols = [symbol for parent in self._classes.lineage(owner) for _, symbol in parent.bases]
            case _:
                symbols = [self._symbol(owner, func)]
        foreign = [s.name for s in symbols if s is not None and s.kind == "foreign" and s.name.startswith("torch.nn")]
        return foreign[0].rpartition(".")[2] if foreign else None

    def _symbol(self, owner: Class, func: ast.expr) -> Symbol | None:
        name = dotted(func)
        return self._index.resolve(owner.unit.module, name) if name is not None else None


_UNKNOWN = object()


def _defaults(function: FunctionNode) -> dict[str, ast.expr]:
    """Parameters with their defaults; a parameter without one hides what an outer function calls so."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    pairs = [*zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)]
    pairs += [(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True) if d is not None]
    nothing = ast.Name(id="", ctx=ast.Load())
    return dict.fromkeys(parameters(function), nothing) | {argument.arg: default for argument, default in pairs}


def _read_from(rest: str, node: ast.AST) -> Argument | None:
    """The argument that `kwargs["name"]`, `kwargs.get("name")` or `kwargs.pop("name", default)` reads."""
    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key)), ctx=ast.Load()) if name == rest:
            return Argument(key, True, None, "", "")
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="get" | "pop"), args=[ast.Constant(value=str(key)), *more]
        ) if name == rest:
            default = more[0] if more else ast.Constant(value=None)
            return Argument(key, False, literal(default), ast.unparse(default), "")
    return None


def _hashable(value: Any) -> Any:
    """Lists as tuples; what holds anything but numbers, strings and tuples of them is unknown."""
    if isinstance(value, (list, tuple)):
        items = tuple(_hashable(item) for item in value)
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    return value if isinstance(value, (bool, int, float, str)) or value is None else _UNKNOWN
