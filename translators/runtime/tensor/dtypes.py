"""`torch`'s dtypes, devices and type queries. A dtype named like a tensor method (`float`, `long`) is callable."""

from __future__ import annotations

import builtins
from typing import Any

import jax.numpy as jnp
import numpy as np

from translators.diagnostics import Refused
from translators.runtime.arrays import ARRAYS, as_dtype, cast, op, public, value


class _Castable:
    """`torch.float` as a dtype and `x.float()` as a cast, for both are written `ops.float`."""

    def __init__(self, name: str):
        self.dtype = np.dtype(name)

    def __call__(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, ARRAYS):
            return cast(value(x), self.dtype)
        method = getattr(x, _METHODS[self.dtype], None)
        return method(*args, **kwargs) if method is not None else np.asarray(x, self.dtype)

    @property
    def is_floating_point(self) -> builtins.bool:
        return jnp.issubdtype(self.dtype, jnp.floating)

    @property
    def is_complex(self) -> builtins.bool:
        return jnp.issubdtype(self.dtype, jnp.complexfloating)

    @property
    def itemsize(self) -> builtins.int:
        return self.dtype.itemsize

    def __eq__(self, other: object) -> builtins.bool:
        return as_dtype(other) == self.dtype if other is not None else False

    def __hash__(self) -> builtins.int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"ops.{_METHODS[self.dtype]}"


dtype = np.dtype
float16 = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
uint8 = np.dtype(np.uint8)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint16 = np.dtype(np.uint16)
uint32 = np.dtype(np.uint32)
uint64 = np.dtype(np.uint64)
complex64 = np.dtype(np.complex64)
complex128 = np.dtype(np.complex128)

half = _Castable("float16")
float = _Castable("float32")
double = _Castable("float64")
bfloat16 = _Castable("bfloat16")
short = _Castable("int16")
int = _Castable("int32")
long = _Castable("int64")
bool = _Castable("bool")
char, byte = _Castable("int8"), _Castable("uint8")
cfloat, cdouble = _Castable("complex64"), _Castable("complex128")

_METHODS = {
    half.dtype: "half",
    float.dtype: "float",
    double.dtype: "double",
    bfloat16.dtype: "bfloat16",
    short.dtype: "short",
    int.dtype: "int",
    long.dtype: "long",
    bool.dtype: "bool",
    char.dtype: "char",
    byte.dtype: "byte",
    cfloat.dtype: "cfloat",
    cdouble.dtype: "cdouble",
}


class Size(tuple):
    """`torch.Size`: a tuple with `numel()`."""

    def numel(self) -> builtins.int:
        product = 1
        for n in self:
            product *= n
        return product


class device:
    """`torch.device`: kept as a label; arrays live where JAX puts them."""

    def __init__(self, type: str = "cpu", index: builtins.int | None = None):
        self.type = type
        self.index = index

    def __eq__(self, other: object) -> builtins.bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> builtins.int:
        return hash((self.type, self.index))


class _DTypeTensor(builtins.type):
    def __instancecheck__(cls, instance: object) -> builtins.bool:
        return isinstance(instance, ARRAYS) and value(instance).dtype == cls.dtype  # type: ignore[attr-defined]

    def __call__(cls, *args: Any) -> Any:
        """An array of the given sizes, or of the given numbers."""
        if all(isinstance(n, builtins.int) for n in args):
            return np.zeros(args, cls.dtype)  # type: ignore[attr-defined]
        if len(args) == 1 and isinstance(args[0], Size):
            return np.zeros(args[0], cls.dtype)  # type: ignore[attr-defined]
        return np.array(value(args[0]), cls.dtype)  # type: ignore[attr-defined]


class _AnyArray(_DTypeTensor):
    def __instancecheck__(cls, instance: object) -> builtins.bool:
        return isinstance(instance, ARRAYS)


class Tensor(metaclass=_AnyArray):
    """`isinstance(x, Tensor)`: NumPy and JAX arrays, parameters and buffers. `Tensor(2, 3)` is a float array."""

    dtype = float32


class FloatTensor(metaclass=_DTypeTensor):
    dtype = float32


class HalfTensor(metaclass=_DTypeTensor):
    dtype = float16


class LongTensor(metaclass=_DTypeTensor):
    dtype = int64


class IntTensor(metaclass=_DTypeTensor):
    dtype = int32


class DoubleTensor(metaclass=_DTypeTensor):
    dtype = float64


class ByteTensor(metaclass=_DTypeTensor):
    dtype = uint8


class BoolTensor(metaclass=_DTypeTensor):
    dtype = np.dtype(np.bool_)


def finfo(type: Any = float32) -> Any:
    return jnp.finfo(as_dtype(type))


def iinfo(type: Any) -> Any:
    return jnp.iinfo(as_dtype(type))


def get_default_dtype() -> np.dtype:
    return float32


def get_autocast_dtype(device_type: str) -> np.dtype:
    """What PyTorch casts to by default: float16 on GPUs, bfloat16 elsewhere."""
    return float16 if device_type == "cuda" else bfloat16.dtype


def get_autocast_gpu_dtype() -> np.dtype:
    return get_autocast_dtype("cuda")


def get_autocast_cpu_dtype() -> np.dtype:
    return get_autocast_dtype("cpu")


def is_tensor(obj: Any) -> builtins.bool:
    return isinstance(obj, ARRAYS)


def is_floating_point(input: Any) -> builtins.bool:
    """Of a tensor or of a dtype."""
    given = input.dtype if isinstance(input, ARRAYS) else input
    return jnp.issubdtype(as_dtype(given), jnp.floating)


def is_complex(input: Any) -> builtins.bool:
    given = input.dtype if isinstance(input, ARRAYS) else input
    return jnp.issubdtype(as_dtype(given), jnp.complexfloating)


@op
def is_signed(input: Any) -> builtins.bool:
    return input.dtype.kind != "u" and input.dtype != np.bool_


def promote_types(type1: Any, type2: Any) -> np.dtype:
    return jnp.promote_types(as_dtype(type1), as_dtype(type2))


def to(input: Any, *args: Any, **kwargs: Any) -> Any:
    """`x.to(dtype)`, `x.to(device)`, `x.to(device, dtype)`, `x.to(other)`: devices change nothing."""
    if not isinstance(input, ARRAYS):
        return input.to(*args, **kwargs)
    result = value(input)
    for given in (*args, kwargs.get("dtype"), kwargs.get("other")):
        if isinstance(given, ARRAYS):
            result = cast(result, value(given).dtype)
        elif isinstance(given, (np.dtype, _Castable)):
            result = cast(result, given)
    return result


def type(input: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """`x.type(dtype)`. The query form `x.type()` returns a name of PyTorch's own and is refused."""
    if not isinstance(input, ARRAYS):
        return input.type(dtype, **kwargs) if dtype is not None else builtins.type(input)
    if dtype is None:
        raise Refused("R10", "x.type() without a dtype")
    if isinstance(dtype, str):
        dtype = _TENSOR_NAMES.get(dtype.removeprefix("torch.").removeprefix("cuda."), dtype)
    return cast(value(input), getattr(dtype, "dtype", dtype))


_TENSOR_NAMES: dict[str, Any] = {
    "FloatTensor": float32,
    "HalfTensor": float16,
    "LongTensor": int64,
    "IntTensor": int32,
    "DoubleTensor": float64,
    "ByteTensor": uint8,
    "BoolTensor": bool,
}


@op
def cpu(input: Any, **memory: Any) -> Any:
    return input


@op
def cuda(input: Any, device: Any = None, non_blocking: builtins.bool = False, **memory: Any) -> Any:
    return input


@op
def pin_memory(input: Any) -> Any:
    return input


@op
def share_memory_(input: Any) -> Any:
    return input


def type_as(input: Any, other: Any) -> Any:
    return cast(value(input), value(other).dtype)


__all__ = public(globals())
