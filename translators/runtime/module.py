"""`Module`, the base of every translated class, and the variables it holds: parameters, frozen parameters, buffers.

Values live in the instance's `__dict__`, where `nnx.split` finds them: variables and child modules as they are, NumPy
arrays wrapped in `Held`, so that they are constants of the program and no part of its state.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx
from flax.nnx.module import ModuleMeta

from translators.diagnostics import Refused
from translators.runtime.arrays import is_array, is_variable, value
from translators.runtime.construction import (
    BUILDING,
    RUNNING,
    construction,
    entering,
    is_placeholder,
    observer,
    phase,
    placeholder,
)


def _concrete(x: Any) -> Any:
    """NumPy for everything that is not traced: construction may have met an eager JAX array."""
    if isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer):
        return np.array(x)
    return x


def _in_place(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`p += x`, which Flax declines."""

    def apply(self: Any, other: Any) -> Any:
        if is_placeholder(self[...]):
            return self
        self[...] = operation(self[...], value(other))
        return self

    return apply


class _Tensor:
    """What PyTorch code does with a parameter or buffer besides arithmetic."""

    __slots__ = ()  # so that a parameter can become a frozen one
    __array_ufunc__ = None  # NumPy would otherwise iterate over a Variable on the right of an operator

    __iadd__, __isub__, __imul__ = _in_place(operator.add), _in_place(operator.sub), _in_place(operator.mul)
    __itruediv__, __ipow__ = _in_place(operator.truediv), _in_place(operator.pow)

    @property
    def data(self) -> Any:
        return self[...]  # type: ignore[index]

    def __setattr__(self, name: str, new: Any) -> None:
        if name == "data":
            self[...] = value(new)  # type: ignore[index]
        elif name == "requires_grad":
            object.__setattr__(self, "__class__", Parameter if new else Frozen)
        else:
            super().__setattr__(name, new)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        self.requires_grad = requires_grad
        return self


class _ParameterType(type(nnx.Param)):  # type: ignore[misc]
    """`isinstance(p, nn.Parameter)` holds for frozen parameters too; Flax's `nnx.Param` filter leaves them out."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or type(instance) is Frozen

    def __call__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if phase.get() == RUNNING:
            raise Refused("R09", "a parameter is created in forward")
        data = np.zeros((0,), np.float32) if data is None else _concrete(value(data))
        if not isinstance(data, jax.core.Tracer):
            data = np.asarray(data)
            if construction().abstract:
                data = placeholder(data.shape, data.dtype)
        parameter = super().__call__(data)
        if not requires_grad:
            object.__setattr__(parameter, "__class__", Frozen)
        return parameter


class Parameter(_Tensor, nnx.Param, metaclass=_ParameterType):
    """A trained array: `nn.Parameter(array, requires_grad=True)`."""

    requires_grad = property(lambda self: True)


class Frozen(_Tensor, nnx.Variable):
    """A parameter with requires_grad=False: in the state dict, outside the gradient."""

    requires_grad = property(lambda self: False)


class Buffer(_Tensor, nnx.BatchStat):
    """A floating-point buffer: outside the gradient, may be reassigned in forward."""

    requires_grad = property(lambda self: False)


class Held:
    """A constant of the module: NumPy arrays, and containers of them. Compared and hashed by content."""

    def __init__(self, content: Any, is_buffer: bool = False, persistent: bool = False):
        self.content = content
        self.is_buffer = is_buffer
        self.persistent = persistent

    def _leaves(self) -> tuple[list[Any], Any]:
        return jax.tree.flatten(self.content)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Held):
            return NotImplemented
        (mine, shape), (theirs, other_shape) = self._leaves(), other._leaves()
        return shape == other_shape and all(map(_same, mine, theirs))

    def __hash__(self) -> int:
        leaves, shape = self._leaves()
        return hash((shape, *(x.tobytes() if isinstance(x, np.ndarray) else id(x) for x in leaves)))


@dataclass(frozen=True)
class Computed:
    """An attribute that `compute(module, *arguments)` gives whenever it is read."""

    compute: Callable[..., Any]
    arguments: tuple[Any, ...]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return a is b or (not isinstance(a, jax.Array) and not isinstance(b, jax.Array) and a == b)


def _holds_arrays(x: Any) -> bool:
    """Whether a plain container has arrays (and no variable or module) inside."""
    leaves = jax.tree.leaves(x, is_leaf=_is_node)
    return any(isinstance(leaf, (np.ndarray, jax.Array)) for leaf in leaves) and not any(map(_is_node, leaves))


def forget_traced(module: Module, seen: set[int] | None = None) -> None:
    """Traced arrays that a forward kept in dictionaries and lists (caches of attention biases, say) end with their
    program: the next one makes them again. What was returned is left as it is."""
    seen = set() if seen is None else seen
    seen.add(id(module))
    values = vars(module)
    for name, x in values.items():
        kind = type(x)
        if kind is dict and len(left := {key: y for key, y in x.items() if not _is_traced(y)}) < len(x):
            values[name] = left
        elif kind is list and len(rest := [y for y in x if not _is_traced(y)]) < len(x):
            values[name] = rest
        elif kind is Held and type(x.content) is dict:
            for key in [key for key, y in x.content.items() if _is_traced(y)]:
                del x.content[key]
        elif issubclass(kind, Module) and id(x) not in seen:
            forget_traced(x, seen)


def _is_traced(x: object) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x, is_leaf=_is_node))


def _is_node(x: object) -> bool:
    return is_variable(x) or issubclass(type(x), Module)


# What JAX raises where Python needs the value of a traced array.
_DATA_DEPENDENT = (
    jax.errors.ConcretizationTypeError,
    jax.errors.NonConcreteBooleanIndexError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@contextmanager
def _refusing() -> Iterator[None]:
    """What fails because it depends on data is R04; what arrays lack and PyTorch's tensors may have is R10."""
    try:
        yield
    except _DATA_DEPENDENT as error:
        raise Refused("R04", str(error).split("\n")[0]) from error
    except AttributeError as error:
        if not is_array(error.obj):
            raise
        raise Refused("R10", f"torch.Tensor.{error.name} is not supported") from error


_PLAIN = (int, bool, float, str, type(None))  # what is stored as it is, whatever was there


class _ModuleType(ModuleMeta):
    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        outermost = phase.get() is None
        with entering(RUNNING if phase.get() == RUNNING else BUILDING), _refusing() if outermost else nullcontext():
            module = super().__call__(*args, **kwargs)
        module._settle()
        watching = observer.get()
        if watching is not None:
            watching.made(module, args, kwargs)
        return module


class Module(nnx.Module, metaclass=_ModuleType, pytree=False):
    """PyTorch's `nn.Module` on `nnx.Module`. Subclasses define `forward`; `training` is static."""

    training = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Not a pytree: Flax then fixes no attribute as data or static at its first assignment, as PyTorch does not.
        super().__init_subclass__(pytree=False, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        watching = observer.get()
        if watching is None:
            return self._called(*args, **kwargs)
        watching.enters(self, args, kwargs)
        return watching.leaves(self, watching.calls(self, args, kwargs))

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        if phase.get() == RUNNING:
            return self.forward(*args, **kwargs)
        with entering(RUNNING), _refusing():
            result = self.forward(*args, **kwargs)
        forget_traced(self)
        return result

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise Refused("R01", f"{type(self).__name__} has no forward")

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if type(found) is Held:
            return found.content
        return found.compute(self, *found.arguments) if type(found) is Computed else found

    def __setattr__(self, name: str, new: Any) -> None:
        if type(new) in _PLAIN or isinstance(getattr(type(self), name, None), property):
            object.__setattr__(self, name, new)
            return
        if isinstance(new, tuple) and type(new) is not tuple and not hasattr(new, "_fields"):
            new = tuple(new)  # a torch.Size: Flax takes subclasses of tuple for nodes
        current = vars(self).get(name)
        if isinstance(new, (np.ndarray, np.generic, jax.Array)):
            if is_variable(current):
                _write(current, name, new)
                return
            if isinstance(current, Held) and current.is_buffer and phase.get() == RUNNING:
                raise Refused("R09", f"integer buffer {name} is reassigned in forward")
            if isinstance(current, Held):
                new = Held(_concrete(new), current.is_buffer, current.persistent)
            else:
                new = Held(_concrete(new))
        if _is_node(new) and not _is_node(current):
            vars(self).pop(name, None)  # registration, not the first mention of the name, gives a child its place
        object.__setattr__(self, name, new)

    def _settle(self) -> None:
        """After construction: hides containers of arrays from Flax's state and remembers the order of registration."""
        values = vars(self)
        for name, x in values.items():
            if type(x) in (list, tuple, dict) and _holds_arrays(x):
                values[name] = Held(x)
        self._remember_order()

    def _forget(self, name: str) -> None:
        vars(self).pop(name, None)
        self._remember_order()

    def _remember_order(self) -> None:
        # Flax rebuilds a merged module with its attributes sorted by name.
        names = tuple(name for name, x in vars(self).items() if _is_node(x))
        object.__setattr__(self, "_order", names)

    def _members(self, kind: Any) -> Iterator[tuple[str, Any]]:
        values = vars(self)
        order = values.get("_order", ())
        for name in (*order, *(name for name in values if name not in order)):
            if isinstance(values.get(name), kind):
                yield name, values[name]

    def add_module(self, name: str, module: Module | None) -> None:
        setattr(self, name, module)
        self._remember_order()

    register_module = add_module

    def register_parameter(self, name: str, param: Any) -> None:
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Floating-point buffers become `Buffer`s; integer and boolean ones are constants of the program."""
        tensor = _concrete(value(tensor))
        if tensor is None:
            new: Any = None
        elif np.issubdtype(tensor.dtype, np.integer) or tensor.dtype == np.bool_:
            new = Held(np.asarray(tensor), is_buffer=True, persistent=persistent)
        else:
            new = Buffer(np.asarray(tensor), persistent=persistent)
        object.__setattr__(self, name, new)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        return self._members(Module)

    def children(self) -> Iterator[Module]:
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        seen = set() if memo is None else memo
        if not remove_duplicate or id(self) not in seen:
            seen.add(id(self))
            yield prefix, self
            for name, child in self.named_children():
                yield from child.named_modules(seen, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix=prefix) if recurse else ((prefix, self),):
            for name, parameter in module._members(Parameter):
                if id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield f"{path}.{name}" if path else name, parameter

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules(prefix=prefix) if recurse else ((prefix, self),):
            for name, buffer in module._own_buffers():
                yield f"{path}.{name}" if path else name, buffer.content if isinstance(buffer, Held) else buffer

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _own_buffers(self) -> Iterator[tuple[str, Buffer | Held]]:
        for name, x in vars(self).items():
            if isinstance(x, Buffer) or (isinstance(x, Held) and x.is_buffer):
                yield name, x

    @property
    def _modules(self) -> dict[str, Module]:
        return dict(self.named_children())

    @property
    def _parameters(self) -> dict[str, Any]:
        return dict(self._members(Parameter))

    @property
    def _buffers(self) -> dict[str, Any]:
        return dict(self.named_buffers(recurse=False))

    def get_submodule(self, target: str) -> Module:
        module = self
        for name in target.split(".") if target else ():
            module = getattr(module, name)
        return module

    def get_parameter(self, target: str) -> Any:
        path, _, name = target.rpartition(".")
        return getattr(self.get_submodule(path), name)

    get_buffer = get_parameter

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:  # type: ignore[override]
        object.__setattr__(self, "training", bool(mode))
        for child in self.children():
            child.train(mode)  # a class may have its own, which keeps parts of it in evaluation mode
        return self

    def eval(self) -> Module:  # type: ignore[override]
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def extra_repr(self) -> str:
        return ""

    def _refuse_hook(self, *args: Any, **kwargs: Any) -> Any:
        raise Refused("R09", f"a hook is registered on {type(self).__name__}")

    register_forward_hook = register_forward_pre_hook = _refuse_hook
    register_full_backward_hook = register_full_backward_pre_hook = register_backward_hook = _refuse_hook

    def _ignore_hook(self, *args: Any, **kwargs: Any) -> None:
        """Hooks on saving and loading: state is copied by name, without them."""

    _register_state_dict_hook = _register_load_state_dict_pre_hook = _ignore_hook
    register_load_state_dict_pre_hook = register_load_state_dict_post_hook = _ignore_hook

    def _same_module(self, *args: Any, **kwargs: Any) -> Module:
        return self

    to = cuda = cpu = float = half = double = bfloat16 = share_memory = _same_module


def _write(variable: nnx.Variable, name: str, new: Any) -> None:
    if variable.shape != new.shape and phase.get() == RUNNING:
        raise Refused("R09", f"buffer {name} changes shape in forward from {variable.shape} to {new.shape}")
    variable.set_value(_concrete(new))
