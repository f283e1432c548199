"""Arrays out of pickled files without unpickling: the opcodes are walked, nothing is imported and nothing called.

Older data sets are published as pickled dicts of arrays and lists. Whatever goes beyond is refused.
"""

from __future__ import annotations

import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from translators.diagnostics import UserError

RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
PLAIN = {  # opcodes that push their own argument
    *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
SILENT = {"PROTO", "FRAME"}
KINDS = {f"{kind}{size}" for kind in "uif" for size in (1, 2, 4, 8)} | {"b1"}


class _Global(str):
    """A name that a pickle would have imported."""


class _Array:
    value: np.ndarray | None = None


class _Type:
    def __init__(self, kind: str):
        self.kind = kind


class _Unsupported(Exception):
    pass


def read_pickled(path: Path) -> Any:
    """Dicts, lists, tuples, texts, bytes, numbers and NumPy arrays of numbers. Raises UserError for anything else."""
    try:
        with path.open("rb") as file:
            return _plain(_walk(file))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except _Unsupported as error:
        raise UserError(f"{path}: holds {error}; only arrays and lists of numbers are read out of pickles") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a whole pickle of arrays ({type(error).__name__}); fetch it again") from None


def _walk(file: Any) -> Any:
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in PLAIN:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in SILENT:
            continue
        elif name == "STOP":
            return stack.pop()
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in ("LIST", "TUPLE"):
            items = since_mark()
            stack.append(items if name == "LIST" else tuple(items))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "APPENDS":
            items = since_mark()
            stack[-1].extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name in ("SETITEMS", "DICT"):
            items = since_mark()
            if name == "DICT":
                stack.append({})
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "GLOBAL":
            stack.append(_Global(argument))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_Global(f"{module} {attribute}"))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_made(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            _set(stack[-1], state)
        else:
            raise _Unsupported(f"the opcode {name}")
    raise ValueError("no end")


def _made(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What the known constructors would return."""
    if function in RECONSTRUCT:
        return _Array()
    if function == "numpy dtype":
        return _Type(str(arguments[0]))
    if function == "_codecs encode":  # how protocol 2 writes bytes
        text, encoding = arguments
        if encoding == "latin1":
            return text.encode("latin1")
    raise _Unsupported(f"a call of {str(function).replace(' ', '.')}")


def _set(value: Any, state: Any) -> None:
    if isinstance(value, _Type):
        value.kind = {"<": "<", ">": ">"}.get(state[1], "") + value.kind
    elif isinstance(value, _Array):
        _, shape, kind, fortran, content = state
        if not isinstance(kind, _Type) or kind.kind.lstrip("<>") not in KINDS:
            raise _Unsupported("an array of something other than numbers")
        content = content.encode("latin1") if isinstance(content, str) else content
        array = np.frombuffer(content, kind.kind)
        value.value = array.reshape(shape, order="F" if fortran else "C")
    else:
        raise _Unsupported(f"an object of {type(value).__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without content")
        return value.value
    if isinstance(value, _Global | _Type):
        raise _Unsupported("a name that it would import")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value
