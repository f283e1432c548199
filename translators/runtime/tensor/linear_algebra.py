"""Products of vectors and matrices, and `einsum`."""

from __future__ import annotations

import functools
import string
from collections import namedtuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import namespace, op, public, value
from translators.runtime.tensor.reduction import norm

_Determinant = namedtuple("_Determinant", "sign logabsdet")


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


@op
def addmv(input: Any, mat: Any, vec: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * input + alpha * namespace(mat, vec).matmul(mat, vec)


@op
def addr(input: Any, vec1: Any, vec2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * input + alpha * namespace(vec1, vec2).outer(vec1, vec2)


@op
def addbmm(input: Any, batch1: Any, batch2: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return beta * input + alpha * namespace(batch1, batch2).matmul(batch1, batch2).sum(0)


@op
def ger(input: Any, vec2: Any) -> Any:
    return outer(input, vec2)


@op
def inner(input: Any, other: Any) -> Any:
    return namespace(input, other).inner(input, other)


@op
def vdot(input: Any, other: Any) -> Any:
    return namespace(input, other).vdot(input, other)


@op
def kron(input: Any, other: Any) -> Any:
    return namespace(input, other).kron(input, other)


def chain_matmul(*matrices: Any) -> Any:
    return functools.reduce(matmul, matrices)


def block_diag(*tensors: Any) -> Any:
    return jax.scipy.linalg.block_diag(*map(value, tensors))


_SUBSCRIPTS = string.ascii_lowercase + string.ascii_uppercase


def einsum(*equation_and_operands: Any) -> Any:
    """An equation, in which spaces are allowed, and operands (maybe in one list), or operands each followed by the
    numbers of its axes."""
    first, *rest = equation_and_operands
    if not isinstance(first, str):
        return _einsum_of_numbers(list(equation_and_operands))
    operands = rest[0] if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest
    arrays = [value(x) for x in operands]
    return namespace(*arrays).einsum(first.replace(" ", ""), *arrays)


def _einsum_of_numbers(given: list) -> Any:
    def text(numbers: Any) -> str:
        return "".join("..." if n is Ellipsis else _SUBSCRIPTS[n] for n in numbers)

    result = "" if len(given) % 2 == 0 else f"->{text(given.pop())}"
    return einsum(",".join(map(text, given[1::2])) + result, *given[::2])


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    a, b = value(a), value(b)
    return namespace(a, b).tensordot(a, b, dims)


@op
def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Without `dim` over the first axis of size three."""
    if dim is None:
        dim = next(i for i, n in enumerate(input.shape) if n == 3)
    x, y = namespace(input, other).broadcast_arrays(input, other)
    return namespace(input, other).cross(x, y, axis=dim)


@op
def inverse(input: Any) -> Any:
    return namespace(input).linalg.inv(input)


@op
def trace(input: Any) -> Any:
    return namespace(input).trace(input)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: str | None = None) -> Any:
    return norm(value(x1)[..., :, None, :] - value(x2)[..., None, :, :], p, dim=-1)


@op
def det(input: Any) -> Any:
    return namespace(input).linalg.det(input)


@op
def slogdet(input: Any) -> Any:
    return _Determinant(*namespace(input).linalg.slogdet(input))


@op
def logdet(input: Any) -> Any:
    sign, size = namespace(input).linalg.slogdet(input)
    return namespace(input).where(sign < 0, np.nan, size).astype(input.dtype)


@op
def matrix_power(input: Any, n: int) -> Any:
    return namespace(input).linalg.matrix_power(input, n)


@op
def matrix_exp(input: Any) -> Any:
    return jax.scipy.linalg.expm(jnp.asarray(input))


@op
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    return namespace(input).linalg.pinv(input, rcond)


@op
def cholesky(input: Any, upper: bool = False) -> Any:
    factor = namespace(input).linalg.cholesky(input)
    return namespace(input).swapaxes(factor, -1, -2) if upper else factor


__all__ = public(globals())
