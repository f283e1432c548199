"""Functions that change how elements are laid out: views, transpositions, joins, splits."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from translators.runtime.arrays import namespace, op, public, value
from translators.runtime.tensor.dtypes import Size, _Castable


def _dims(given: tuple, named: Any = None) -> tuple:
    """Numbers given one by one, as one sequence or by name."""
    given = given if named is None else (tuple(named),)
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple(int(n) for n in given)


@op
def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    return input.reshape(_dims(sizes, shape))


@op
def view(input: Any, *shape: Any, size: Any = None) -> Any:
    """`x.view(sizes)`; `x.view(dtype)` reinterprets bits."""
    if len(shape) == 1 and isinstance(shape[0], (np.dtype, _Castable)):
        return input.view(getattr(shape[0], "dtype", shape[0]))
    return input.reshape(_dims(shape, size))


@op
def view_as(input: Any, other: Any) -> Any:
    return input.reshape(other.shape)


@op
def reshape_as(input: Any, other: Any) -> Any:
    return input.reshape(other.shape)


@op
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if input.ndim == 0:
        return input.reshape(1)
    start, end = start_dim % input.ndim, end_dim % input.ndim
    return input.reshape(*input.shape[:start], math.prod(input.shape[start : end + 1]), *input.shape[end + 1 :])


@op
def ravel(input: Any) -> Any:
    return input.reshape(-1)


@op
def unflatten(input: Any, dim: int, sizes: Sequence[int]) -> Any:
    dim %= input.ndim
    return input.reshape(*input.shape[:dim], *sizes, *input.shape[dim + 1 :])


@op
def size(input: Any, dim: int | None = None) -> Any:
    return Size(input.shape) if dim is None else input.shape[dim]


@op
def dim(input: Any) -> int:
    return input.ndim


@op
def ndimension(input: Any) -> int:
    return input.ndim


def numel(input: Any) -> int:
    """Of a tensor, or of a shape."""
    return math.prod(input) if isinstance(input, tuple) else math.prod(input.shape)


def nelement(input: Any) -> int:
    return numel(input)


@op
def permute(input: Any, *order: Any, dims: Any = None) -> Any:
    return input.transpose(_dims(order, dims))


@op
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return namespace(input).swapaxes(input, dim0, dim1)


@op
def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    return namespace(input).swapaxes(input, axis0, axis1)


@op
def swapdims(input: Any, dim0: int, dim1: int) -> Any:
    return namespace(input).swapaxes(input, dim0, dim1)


@op
def movedim(input: Any, source: Any, destination: Any) -> Any:
    return namespace(input).moveaxis(input, source, destination)


@op
def moveaxis(input: Any, source: Any, destination: Any) -> Any:
    return namespace(input).moveaxis(input, source, destination)


@op
def t(input: Any) -> Any:
    return input.T


@op
def adjoint(input: Any) -> Any:
    xp = namespace(input)
    return xp.conj(xp.swapaxes(input, -2, -1))


@op
def squeeze(input: Any, dim: Any = None) -> Any:
    """Axes that are not of size one stay."""
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    drop = {d % input.ndim for d in dims if input.shape[d] == 1} if input.ndim else set()
    return input.reshape([n for i, n in enumerate(input.shape) if i not in drop])


@op
def unsqueeze(input: Any, dim: int) -> Any:
    return namespace(input).expand_dims(input, dim)


@op
def expand(input: Any, *sizes: Any, size: Any = None) -> Any:
    """-1 keeps a size."""
    target = list(_dims(sizes, size))
    missing = len(target) - input.ndim
    for i, n in enumerate(input.shape):
        if target[missing + i] == -1:
            target[missing + i] = n
    return namespace(input).broadcast_to(input, tuple(target))


@op
def expand_as(input: Any, other: Any) -> Any:
    return namespace(input).broadcast_to(input, other.shape)


@op
def broadcast_to(input: Any, size: Any) -> Any:
    return expand(input, *size)


def broadcast_tensors(*tensors: Any) -> tuple:
    arrays = [value(x) for x in tensors]
    return tuple(namespace(*arrays).broadcast_arrays(*arrays))


@op
def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """Tiles, unlike NumPy's function of this name."""
    return namespace(input).tile(input, _dims(sizes, repeats))


@op
def tile(input: Any, *sizes: Any, dims: Any = None) -> Any:
    return namespace(input).tile(input, _dims(sizes, dims))


@op
def repeat_interleave(input: Any, repeats: Any, dim: int | None = None, output_size: int | None = None) -> Any:
    """Repeats each element, NumPy's `repeat`."""
    if isinstance(repeats, jax.Array):
        return jnp.repeat(input, repeats, axis=dim, total_repeat_length=output_size)
    return namespace(input).repeat(input, repeats, axis=dim)


@op
def cat(tensors: Any, dim: int = 0) -> Any:
    """Empty one-dimensional tensors are skipped, as PyTorch does."""
    arrays = [value(x) for x in tensors]
    whole = [x for x in arrays if x.shape != (0,)] or arrays[:1]
    return namespace(*whole).concatenate(whole, axis=dim)


concat = concatenate = cat


@op
def stack(tensors: Any, dim: int = 0) -> Any:
    arrays = [value(x) for x in tensors]
    return namespace(*arrays).stack(arrays, axis=dim)


def _stacking(name: str, numpy_name: str) -> Any:
    def apply(tensors: Any) -> Any:
        arrays = [value(x) for x in tensors]
        return getattr(namespace(*arrays), numpy_name)(arrays)

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"NumPy's `{numpy_name}`."
    return apply


hstack, vstack, dstack = _stacking("hstack", "hstack"), _stacking("vstack", "vstack"), _stacking("dstack", "dstack")
column_stack, row_stack = _stacking("column_stack", "column_stack"), _stacking("row_stack", "vstack")


def _cut(input: Any, sizes: Sequence[int], dim: int) -> tuple:
    pieces, start = [], 0
    for n in sizes:
        index = [slice(None)] * input.ndim
        index[dim] = slice(start, start + n)
        pieces.append(input[tuple(index)])
        start += n
    return tuple(pieces)


@op
def split(tensor: Any, split_size_or_sections: Any = None, dim: int = 0, split_size: Any = None) -> tuple:
    """A number is the size of a piece (the last may be smaller); a sequence gives every size."""
    sections = split_size_or_sections if split_size_or_sections is not None else split_size
    total = tensor.shape[dim]
    if isinstance(sections, (tuple, list)):
        if builtins.sum(sections) != total:
            raise ValueError(f"split sizes {list(sections)} do not add up to {total}")
        return _cut(tensor, sections, dim)
    sections = int(sections)
    return _cut(tensor, [builtins.min(sections, total - start) for start in range(0, total, sections)], dim)


@op
def unsafe_split(tensor: Any, split_size: Any, dim: int = 0) -> tuple:
    return split(tensor, split_size, dim)


@op
def split_with_sizes(tensor: Any, split_sizes: Any, dim: int = 0) -> tuple:
    return split(tensor, list(split_sizes), dim)


@op
def chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    """At most `chunks` pieces of size ceil(n / chunks)."""
    return split(input, builtins.max(1, -(-input.shape[dim] // chunks)), dim)


@op
def unsafe_chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    return chunk(input, chunks, dim)


@op
def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple:
    return tuple(namespace(input).array_split(input, indices_or_sections, axis=dim))


@op
def hsplit(input: Any, indices_or_sections: Any) -> tuple:
    return tensor_split(input, indices_or_sections, 0 if input.ndim == 1 else 1)


@op
def vsplit(input: Any, indices_or_sections: Any) -> tuple:
    return tensor_split(input, indices_or_sections, 0)


@op
def dsplit(input: Any, indices_or_sections: Any) -> tuple:
    return tensor_split(input, indices_or_sections, 2)


@op
def unbind(input: Any, dim: int = 0) -> tuple:
    dim %= input.ndim
    index = (slice(None),) * dim
    return tuple(input[(*index, i)] for i in range(input.shape[dim]))


@op
def flip(input: Any, *axes: Any, dims: Any = None) -> Any:
    return namespace(input).flip(input, _dims(axes, dims))


@op
def fliplr(input: Any) -> Any:
    return namespace(input).flip(input, 1)


@op
def flipud(input: Any) -> Any:
    return namespace(input).flip(input, 0)


@op
def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    return namespace(input).rot90(input, k, tuple(dims))


@op
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    return namespace(input).roll(input, shifts, tuple(dims) if isinstance(dims, list) else dims)


@op
def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Sliding windows of an axis; the window axis comes last."""
    dimension %= input.ndim
    count = (input.shape[dimension] - size) // step + 1
    index = np.arange(count)[:, None] * step + np.arange(size)
    windows = namespace(input).take(input, index, axis=dimension)
    return namespace(input).moveaxis(windows, dimension + 1, -1)


@op
def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return namespace(input).diagonal(input, offset, dim1, dim2)


@op
def diag(input: Any, diagonal: int = 0) -> Any:
    return namespace(input).diag(input, diagonal)


@op
def diagflat(input: Any, offset: int = 0) -> Any:
    return namespace(input).diagflat(input, offset)


@op
def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Matrices, over the axes `dim1` and `dim2` of the result, with the last axis on the diagonal."""
    xp, n = namespace(input), input.shape[-1] + builtins.abs(offset)
    padded = xp.pad(input, [(0, 0)] * (input.ndim - 1) + [(0, n - input.shape[-1])])
    rows = padded if offset >= 0 else xp.roll(padded, -offset, -1)
    return xp.moveaxis(rows[..., None] * np.eye(n, k=offset, dtype=input.dtype), (-2, -1), (dim1, dim2))


@op
def tril(input: Any, diagonal: int = 0) -> Any:
    return namespace(input).tril(input, diagonal)


@op
def triu(input: Any, diagonal: int = 0) -> Any:
    return namespace(input).triu(input, diagonal)


def _at_least(name: str) -> Any:
    def apply(*tensors: Any) -> Any:
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return apply(*tensors[0]) if len(tensors[0]) > 1 else (apply(*tensors[0]),)
        found = tuple(getattr(namespace(value(x)), name)(value(x)) for x in tensors)
        return found if len(found) > 1 else found[0]

    apply.__name__ = apply.__qualname__ = name
    apply.__doc__ = f"NumPy's `{name}`; of several tensors a tuple."
    return apply


atleast_1d, atleast_2d, atleast_3d = _at_least("atleast_1d"), _at_least("atleast_2d"), _at_least("atleast_3d")


@op
def sum_to_size(input: Any, *size: Any) -> Any:
    """The sum over the axes along which an array of this size would be broadcast."""
    target = _dims(size)
    extra = input.ndim - len(target)
    grown = [i for i, n in enumerate(target, start=extra) if n == 1 != input.shape[i]]
    return namespace(input).sum(input, axis=(*range(extra), *grown), keepdims=True).reshape(target)


def broadcast_shapes(*shapes: Any) -> Size:
    return Size(np.broadcast_shapes(*((n,) if isinstance(n, builtins.int) else tuple(n) for n in shapes)))


@op
def is_same_size(input: Any, other: Any) -> bool:
    return input.shape == other.shape


@op
def element_size(input: Any) -> int:
    return input.dtype.itemsize


@op
def contiguous(input: Any, **memory: Any) -> Any:
    return input


@op
def is_contiguous(input: Any, **memory: Any) -> bool:
    return True


@op
def numpy(input: Any, force: bool = False) -> Any:
    return input


__all__ = public(globals())
