"""The namespace `linalg`: norms, solutions and decompositions of matrices."""

from __future__ import annotations

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from translators.diagnostics import Refused
from translators.runtime.arrays import cast, function, namespace, public
from translators.runtime.tensor import linear_algebra
from translators.runtime.tensor.reduction import norm as _norm
from translators.runtime.tensor.shape import diagonal as _diagonal

_QR = namedtuple("_QR", "Q R")
_SVD = namedtuple("_SVD", "U S Vh")
_Eigen = namedtuple("_Eigen", "eigenvalues eigenvectors")


@function
def _vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return _norm(x, ord, dim, keepdim, dtype)


@function
def _matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: Any = None) -> Any:
    x = A if dtype is None else cast(A, dtype)
    if ord == "fro":
        return _norm(x, 2, dim, keepdim)
    return jnp.linalg.norm(jnp.asarray(x), ord=ord, axis=tuple(dim), keepdims=keepdim)


@function
def _linalg_norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """A vector norm over one axis or, without `ord`, over any; with `ord` a matrix norm over two."""
    if ord is None:
        return _norm(A, 2, dim, keepdim, dtype)
    if dim is None and A.ndim == 2:
        dim = (0, 1)
    if isinstance(dim, (tuple, list)) and len(dim) == 2:
        return _matrix_norm(A, ord, dim, keepdim, dtype)
    return _norm(A, ord, dim, keepdim, dtype)


def _of_matrix(name: str) -> Any:
    """NumPy's function of this name of one matrix or a batch."""

    @function
    def apply(A: Any) -> Any:
        return getattr(namespace(A).linalg, name)(A)

    return apply


@function
def _solve(A: Any, B: Any, left: bool = True) -> Any:
    """A X = B; of vectors too, one for each matrix."""
    if not left:
        xp = namespace(A, B)
        return xp.swapaxes(_solve(xp.swapaxes(A, -1, -2), xp.swapaxes(B, -1, -2)), -1, -2)
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        return namespace(A, B).linalg.solve(A, B[..., None])[..., 0]
    return namespace(A, B).linalg.solve(A, B)


@function
def _solve_triangular(A: Any, B: Any, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    return jax.lax.linalg.triangular_solve(
        jnp.asarray(A), jnp.asarray(B), left_side=left, lower=not upper, unit_diagonal=unitriangular
    )


@function
def _qr(A: Any, mode: str = "reduced") -> _QR:
    if mode == "r":
        raise Refused("R10", "linalg.qr with mode='r'")
    return _QR(*jnp.linalg.qr(jnp.asarray(A), mode=mode))


@function
def _svd(A: Any, full_matrices: bool = True, driver: Any = None) -> _SVD:
    return _SVD(*jnp.linalg.svd(jnp.asarray(A), full_matrices=full_matrices))


@function
def _svdvals(A: Any, driver: Any = None) -> Any:
    return jnp.linalg.svd(jnp.asarray(A), compute_uv=False)


@function
def _eigh(A: Any, UPLO: str = "L") -> _Eigen:
    return _Eigen(*jnp.linalg.eigh(jnp.asarray(A), UPLO=UPLO, symmetrize_input=False))


@function
def _eigvalsh(A: Any, UPLO: str = "L") -> Any:
    return _eigh(A, UPLO).eigenvalues


@function
def _pinv(A: Any, rtol: Any = None, hermitian: bool = False) -> Any:
    return jnp.linalg.pinv(jnp.asarray(A), rtol=rtol, hermitian=hermitian)


@function
def _vecdot(x: Any, y: Any, dim: int = -1) -> Any:
    return namespace(x, y).sum(namespace(x).conj(x) * y, axis=dim)


@function
def _matrix_diagonal(A: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    return _diagonal(A, offset, dim1, dim2)


@function
def _cross(input: Any, other: Any, dim: int = -1) -> Any:
    return linear_algebra.cross(input, other, dim)


def _multi_dot(tensors: Any) -> Any:
    return linear_algebra.chain_matmul(*tensors)


linalg = SimpleNamespace(
    norm=_linalg_norm, vector_norm=_vector_norm, matrix_norm=_matrix_norm, solve=_solve, qr=_qr, svd=_svd,
    solve_triangular=_solve_triangular, svdvals=_svdvals, eigh=_eigh, eigvalsh=_eigvalsh, pinv=_pinv, vecdot=_vecdot,
    diagonal=_matrix_diagonal, cross=_cross, multi_dot=_multi_dot, inv=_of_matrix("inv"), det=linear_algebra.det,
    slogdet=linear_algebra.slogdet, cholesky=linear_algebra.cholesky, matmul=linear_algebra.matmul,
    matrix_power=linear_algebra.matrix_power, matrix_exp=linear_algebra.matrix_exp,
    matrix_rank=_of_matrix("matrix_rank"),
)  # fmt: skip

__all__ = public(globals())
