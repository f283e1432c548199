"""Products of matrices, `einsum`, and the namespaces `linalg` and `fft`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import function, namespace, op, public, value
from translators.runtime.tensor.reduction import norm


@op
def matmul(input: Any, other: Any) -> Any:
    return namespace(input, other).matmul(input, other)


@op
def mm(input: Any, mat2: Any) -> Any:
    return namespace(input, mat2).matmul(input, mat2)


@op
def bmm(input: Any, mat2: Any) -> Any:
    return namespace(input, mat2).matmul(input, mat2)


@op
def mv(input: Any, vec: Any) -> Any:
    return namespace(input, vec).matmul(input, vec)


@op
def dot(input: Any, tensor: Any) -> Any:
    return namespace(input, tensor).dot(input, tensor)


@op
def outer(input: Any, vec2: Any) -> Any:
    return namespace(input, vec2).outer(input, vec2)


@op
def addmm(input: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * input + alpha * namespace(mat1, mat2).matmul(mat1, mat2)


@op
def baddbmm(input: Any, batch1: Any, batch2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * input + alpha * namespace(batch1, batch2).matmul(batch1, batch2)


def einsum(equation: str, *operands: Any) -> Any:
    """Spaces and capital letters are allowed; operands may come as one list."""
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    arrays = [value(x) for x in operands]
    return namespace(*arrays).einsum(equation.replace(" ", ""), *arrays)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    a, b = value(a), value(b)
    return namespace(a, b).tensordot(a, b, dims)


@function
def cross(input: Any, other: Any, dim: int = -1) -> Any:
    return namespace(input, other).cross(input, other, axis=dim)


@op
def inverse(input: Any) -> Any:
    return namespace(input).linalg.inv(input)


@op
def trace(input: Any) -> Any:
    return namespace(input).trace(input)


def cdist(x1: Any, x2: Any, p: float = 2.0) -> Any:
    return norm(value(x1)[..., :, None, :] - value(x2)[..., None, :, :], p, dim=-1)


def _vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return norm(x, ord, dim, keepdim, dtype)


@function
def _inv(A: Any) -> Any:
    return namespace(A).linalg.inv(A)


@function
def _solve(A: Any, B: Any) -> Any:
    return namespace(A, B).linalg.solve(A, B)


linalg = SimpleNamespace(vector_norm=_vector_norm, norm=_vector_norm, inv=_inv, solve=_solve)


def _transform(name: str, several: bool) -> Any:
    def apply(input: Any, size: Any = None, dim: Any = None, norm: str | None = None) -> Any:
        x = value(input)
        routine = getattr(jnp.fft if isinstance(x, jax.Array) else np.fft, name)
        if several:
            axes = dim if dim is not None else ((-2, -1) if name.endswith("2") else None)
            return routine(x, s=size, axes=axes, norm=norm)
        return routine(x, n=size, axis=-1 if dim is None else dim, norm=norm)

    def with_n(input: Any, n: Any = None, dim: Any = -1, norm: str | None = None) -> Any:
        return apply(input, n, dim, norm)

    def with_s(input: Any, s: Any = None, dim: Any = None, norm: str | None = None) -> Any:
        return apply(input, s, dim, norm)

    return with_s if several else with_n


def _shift(name: str) -> Any:
    @function
    def apply(input: Any, dim: Any = None) -> Any:
        return getattr(namespace(input).fft, name)(input, axes=dim)

    return apply


fft = SimpleNamespace(
    **{name: _transform(name, False) for name in ("fft", "ifft", "rfft", "irfft")},
    **{
        name: _transform(name, True)
        for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
    },
    **{name: _shift(name) for name in ("fftshift", "ifftshift")},
)


__all__ = public(globals())
