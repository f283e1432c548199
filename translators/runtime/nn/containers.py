"""Modules that hold modules or parameters. Children keep PyTorch's names: positions, or the keys of a dictionary."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flax import nnx

from translators.runtime.arrays import public
from translators.runtime.module import Module, Parameter


class _Indexed(Module):
    """A sequence of members under the names "0", "1", ..."""

    _absent: tuple[str, ...] = ()  # names whose place a None holds

    def _names(self) -> list[str]:
        found = [name for name, _ in self._members((Module, nnx.Variable))]
        for name in self._absent:
            found.insert(int(name), name)
        return found

    def _renamed(self, members: Iterable[Any]) -> None:
        for name in self._names():
            vars(self).pop(name)
        self._absent = ()
        for i, member in enumerate(members):
            self._place(str(i), member)

    def _place(self, name: str, member: Any) -> None:
        if member is None:
            self._absent = (*self._absent, name)
        self.add_module(name, member)

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[Any]:
        return iter([vars(self)[name] for name in self._names()])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return vars(self)[index]
        members = list(self)
        return type(self)(members[index]) if isinstance(index, slice) else members[index]

    def __setitem__(self, index: int, member: Any) -> None:
        name = self._names()[index]
        if name in self._absent or member is None:
            members = list(self)
            members[index] = member
            self._renamed(members)
        else:
            setattr(self, name, member)

    def __delitem__(self, index: Any) -> None:
        members = list(self)
        del members[index]
        self._renamed(members)

    def __contains__(self, member: object) -> bool:
        return any(x is member for x in self)

    def append(self, member: Any) -> Any:
        self._place(str(len(self)), member)
        return self

    def extend(self, members: Iterable[Any]) -> Any:
        for member in members:
            self.append(member)
        return self

    def insert(self, index: int, member: Any) -> Any:
        members = list(self)
        members.insert(index, member)
        self._renamed(members)
        return self

    def pop(self, index: int = -1) -> Any:
        members = list(self)
        member = members.pop(index)
        self._renamed(members)
        return member


class Sequential(_Indexed):
    """Modules applied one after another; an `OrderedDict` names them."""

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            members = list(args[0].items())
        else:
            members = [(str(i), member) for i, member in enumerate(args)]
        for name, member in members:
            self.add_module(name, member)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            picked = self._names()[index]
            return Sequential(OrderedDict((name, vars(self)[name]) for name in picked))
        return super().__getitem__(index)

    def forward(self, input: Any) -> Any:
        for member in self:
            input = member(input)
        return input


class ModuleList(_Indexed):
    """A list of modules. It has no forward."""

    def __init__(self, modules: Iterable[Any] | None = None):
        super().__init__()
        self.extend(modules or ())


class ParameterList(_Indexed):
    """A list of parameters; arrays become parameters."""

    def __init__(self, values: Iterable[Any] | None = None):
        super().__init__()
        self.extend(values or ())

    def append(self, member: Any) -> Any:
        setattr(self, str(len(self)), member if isinstance(member, (nnx.Variable, Module)) else Parameter(member))
        self._remember_order()
        return self


class _Keyed(Module):
    """A dictionary of members."""

    def _dictionary(self) -> dict[str, Any]:
        return dict(self._members((Module, nnx.Variable)))

    def __len__(self) -> int:
        return len(self._dictionary())

    def __iter__(self) -> Iterator[str]:
        return iter(self._dictionary())

    def __contains__(self, key: object) -> bool:
        return key in self._dictionary()

    def __getitem__(self, key: str) -> Any:
        return self._dictionary()[key]

    def __setitem__(self, key: str, member: Any) -> None:
        self.add_module(key, member)

    def keys(self) -> Any:
        return self._dictionary().keys()

    def values(self) -> Any:
        return self._dictionary().values()

    def items(self) -> Any:
        return self._dictionary().items()

    def get(self, key: str, default: Any = None) -> Any:
        return self._dictionary().get(key, default)

    def pop(self, key: str) -> Any:
        member = vars(self).pop(key)
        self._remember_order()
        return member

    def update(self, members: Any) -> None:
        for key, member in members.items() if hasattr(members, "items") else members:
            self[key] = member


class ModuleDict(_Keyed):
    """A dictionary of modules."""

    def __init__(self, modules: Any = None):
        super().__init__()
        self.update(modules or {})


class ParameterDict(_Keyed):
    """A dictionary of parameters; arrays become parameters."""

    def __init__(self, parameters: Any = None):
        super().__init__()
        self.update(parameters or {})

    def __setitem__(self, key: str, member: Any) -> None:
        setattr(self, key, member if isinstance(member, nnx.Variable) else Parameter(member))
        self._remember_order()


class Identity(Module):
    """Returns its input; takes and ignores any arguments."""

    def forward(self, input: Any) -> Any:
        return input


__all__ = public(globals())
