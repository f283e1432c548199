"""Convolutions of (N, H, W, C) arrays by oneDNN, which jaxlib holds but its compiler does not call (ours).

XLA convolves on the CPU by Eigen, which packs the patches of an image for a matrix product. oneDNN needs none, but
jaxlib has its forward convolution alone: both gradients are said as such convolutions. A program with them cannot be
kept: jaxlib has no words for them in a file.
"""

from __future__ import annotations

import json
import math
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from jax.extend.core import JaxprEqn

TARGET = "__onednn$convolution"
VERSIONS = (0, 10, 2), (0, 13)  # of jaxlib, from and below: others may read the configuration otherwise, and then abort

Pads = tuple[tuple[int, int], tuple[int, int]]


@cache
def available() -> bool:
    """Whether this jaxlib has them."""
    first, last = VERSIONS
    known = first <= tuple(map(int, jaxlib.__version__.split(".")[:3])) < last
    if not (known and sys.platform == "linux" and platform.machine() == "x86_64"):
        return False
    image, kernel = (jax.ShapeDtypeStruct(shape, np.float32) for shape in ((1, 3, 3, 1), (1, 1, 3, 3)))
    try:
        with unkept():
            jax.jit(partial(convolved, true=True, pads=((1, 1), (1, 1)))).lower(image, kernel).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


@contextmanager
def unkept() -> Iterator[None]:
    """What is compiled meanwhile is not written to the cache."""
    least = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, least)
    jax.config.update(least, math.inf)
    try:
        yield
    finally:
        jax.config.update(least, before)


def is_convolved(step: JaxprEqn) -> bool:
    """Whether `convolved` says this `conv_general_dilated`: dense, of stride one, with a kernel larger than one place.

    For all of those it was the faster one, at any size; a kernel of one place is a matrix product anyway.
    """
    image, weight, result = (cast(Any, atom.aval) for atom in (*step.invars, *step.outvars))
    parameters = step.params
    kernel = weight.shape[2:]
    return (
        image.dtype == weight.dtype == np.float32
        and parameters["feature_group_count"] == parameters["batch_group_count"] == 1
        and {*parameters["window_strides"], *parameters["lhs_dilation"], *parameters["rhs_dilation"]} == {1}
        and math.prod(kernel) > 1
        and math.prod(result.shape) > 0
        and all(0 <= pad < k for k, pads in zip(kernel, parameters["padding"]) for pad in pads)
    )


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def convolved(x: jax.Array, weight: jax.Array, true: Any, pads: Pads) -> jax.Array:
    """x (N, H, W, C), weight (O, C, h, w), a boolean that is true, and pads from 0 to the size of the kernel less one.

    The compiler must not know that `true` is: what comes before a branch is not fused into it.
    """
    return _call(x, weight, (1, 0, 2, 3), pads)


def _forward(x: jax.Array, weight: jax.Array, true: Any, pads: Pads) -> tuple[jax.Array, tuple[Any, ...]]:
    return convolved(x, weight, true, pads), (x, weight, true)


def _backward(pads: Pads, kept: tuple[Any, ...], gradient: jax.Array) -> tuple[jax.Array, jax.Array, None]:
    x, weight, true = kept
    kernel = weight.shape[2:]
    others = tuple((k - 1 - low, k - 1 - high) for k, (low, high) in zip(kernel, pads))
    of_x = _call(gradient, jnp.flip(weight, (2, 3)), (0, 1, 2, 3), others)
    # Outside of a branch x would be made again out of its parts, each read across its rows: twice as slow.
    y = jax.lax.cond(true, partial(_of_weight, kernel=kernel, pads=pads), _any_of_that_shape, x, gradient, weight)
    return of_x, y.reshape(*kernel, *weight.shape[1::-1]).transpose(3, 2, 0, 1), None


convolved.defvjp(_forward, _backward)


def _of_weight(x: jax.Array, gradient: jax.Array, weight: jax.Array, kernel: Sequence[int], pads: Pads) -> jax.Array:
    """(1, h, w C, O). One image whose channels are the batch and whose rows are those of all channels in turn.

    The gradient (N, H, W, O) is the kernel, its places along W as far apart as there are channels: a convolution gives
    (h, w C, O), long rows of results, where N images of C channels give only w of them at a time.
    """
    batch, height, width, channels = x.shape
    rows, columns = pads
    # Four axes until here: a reshape alone would be taken out of the branch, and x made twice.
    turned = x.transpose(1, 2, 3, 0).reshape(1, height, width * channels, batch)
    wide = tuple(pad * channels for pad in columns)
    return _call(turned, gradient, (0, 3, 1, 2), (rows, wide), (1, channels))


def _any_of_that_shape(x: jax.Array, gradient: jax.Array, weight: jax.Array) -> jax.Array:
    outputs, channels, height, width = weight.shape
    return weight.reshape(1, height, width * channels, outputs)


def _call(
    x: jax.Array, weight: jax.Array, axes: Sequence[int], pads: Any, dilation: Sequence[int] = (1, 1)
) -> jax.Array:
    """x (N, H, W, C); `axes` of the weight: channels, outputs, height, width."""
    channels, outputs, *spatial = axes
    kernel = [weight.shape[axis] for axis in spatial]
    sizes = [n + sum(p) - d * (k - 1) for n, p, d, k in zip(x.shape[1:3], pads, dilation, kernel)]
    image = {"dims": 4, "data": {"batch_dim": 0, "feature_dim": 3, "spatial_dims": [1, 2]}}
    names = {"input_feature_dim": channels, "output_feature_dim": outputs, "spatial_dims": spatial}
    window: Mapping[str, Any] = {
        "size": kernel,
        "pad_left": [low for low, _ in pads],
        "pad_right": [high for _, high in pads],
        "strides": [1, 1],
        "window_dilations": dilation,
    }
    configuration = {
        "dims": 4, "input": image, "kernel": {"dims": 4, "filter": names}, "output": image, "window": window,
        "feature_groups": 1,
    }  # fmt: skip
    run = jax.ffi.ffi_call(
        TARGET,
        jax.ShapeDtypeStruct((len(x), *sizes, weight.shape[outputs]), x.dtype),
        custom_call_api_version=2,
        legacy_backend_config=json.dumps({"onednn_conv_config": configuration}),
    )
    return run(x, weight)
