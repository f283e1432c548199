"""Activation functions. `inplace` is accepted and ignored: the result is what counts."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from translators.runtime.arrays import function, op, public
from translators.runtime.construction import next_key


@op
def relu(input: Any, inplace: bool = False) -> Any:
    return jax.nn.relu(input)


@function
def relu6(input: Any, inplace: bool = False) -> Any:
    return hardtanh(input, 0.0, 6.0)


@function
def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """The gradient is zero on both bounds."""
    x = jnp.asarray(input)
    return jnp.where(
        x <= min_val, jnp.asarray(min_val, x.dtype), jnp.where(x >= max_val, jnp.asarray(max_val, x.dtype), x)
    )


@function
def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    x = jnp.asarray(input)
    return jnp.where(x > 0, x, x * negative_slope)


@op
def prelu(input: Any, weight: Any) -> Any:
    """One slope, or one per channel (axis 1)."""
    x = jnp.asarray(input)
    if weight.size > 1:
        weight = weight.reshape(-1, *(1,) * (x.ndim - 2))
    return jnp.where(x > 0, x, x * weight)


@function
def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    x = jnp.asarray(input)
    slope = jax.random.uniform(next_key(), x.shape, x.dtype, lower, upper) if training else (lower + upper) / 2
    return jnp.where(x > 0, x, x * slope)


@function
def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    x = jnp.asarray(input)
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0, x)))


@op
def selu(input: Any, inplace: bool = False) -> Any:
    return 1.0507009873554805 * elu(input, 1.6732632423543772)


@op
def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    x = jnp.asarray(input)
    return jnp.where(x > 0, x, alpha * jnp.expm1(jnp.where(x > 0, 0, x) / alpha))


@function
def gelu(input: Any, approximate: str = "none") -> Any:
    """Exact (erf) by default."""
    return jax.nn.gelu(jnp.asarray(input), approximate=approximate == "tanh")


@function
def silu(input: Any, inplace: bool = False) -> Any:
    return input * lax.logistic(jnp.asarray(input))


@function
def mish(input: Any, inplace: bool = False) -> Any:
    return input * jnp.tanh(softplus(input))


@function
def hardswish(input: Any, inplace: bool = False) -> Any:
    return input * relu6(input + 3) / 6


@function
def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    return relu6(input + 3) / 6


@function
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Linear beyond the threshold."""
    x = jnp.asarray(input)
    scaled = x * beta
    return jnp.where(scaled > threshold, x, jnp.log1p(jnp.exp(jnp.where(scaled > threshold, 0, scaled))) / beta)


@function
def softsign(input: Any) -> Any:
    return input / (1 + jnp.abs(input))


@function
def tanhshrink(input: Any) -> Any:
    return input - jnp.tanh(input)


@op
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    x = jnp.asarray(input)
    return jnp.where((x >= -lambd) & (x <= lambd), 0, x)


@function
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    x = jnp.asarray(input)
    return jnp.where(x > lambd, x - lambd, jnp.where(x < -lambd, x + lambd, 0))


@function
def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    x = jnp.asarray(input)
    return jnp.where(x > threshold, x, jnp.asarray(value, x.dtype))


@function
def glu(input: Any, dim: int = -1) -> Any:
    a, b = jnp.split(jnp.asarray(input), 2, axis=dim)
    return a * lax.logistic(b)


@function
def logsigmoid(input: Any) -> Any:
    return jax.nn.log_sigmoid(jnp.asarray(input))


@function
def sigmoid(input: Any) -> Any:
    return lax.logistic(jnp.asarray(input))


@function
def tanh(input: Any) -> Any:
    return jnp.tanh(input)


def _implicit(dim: int | None, ndim: int) -> int:
    """PyTorch's legacy rule for a softmax without `dim`."""
    if dim is not None:
        return dim
    return 0 if ndim in (0, 1, 3) else 1


@op
def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    x = jnp.asarray(input, getattr(dtype, "dtype", dtype))
    return jax.nn.softmax(x, axis=_implicit(dim, x.ndim))


@op
def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    x = jnp.asarray(input, getattr(dtype, "dtype", dtype))
    return jax.nn.log_softmax(x, axis=_implicit(dim, x.ndim))


@function
def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    return softmax(-input, dim, dtype=dtype)


@function
def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """With `hard` the forward value is one-hot and the gradient that of the soft sample."""
    soft = jax.nn.softmax((logits + jax.random.gumbel(next_key(), logits.shape, logits.dtype)) / tau, axis=dim)
    if not hard:
        return soft
    picked = jnp.argmax(soft, axis=dim, keepdims=True)
    one_hot = jnp.put_along_axis(jnp.zeros_like(soft), picked, 1, axis=dim, inplace=False)
    return lax.stop_gradient(one_hot - soft) + soft


def _named_in_place(function: Any) -> Any:
    """The in-place name of an activation: the translator rebinds what it writes."""

    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        return function(input, *args, **kwargs)

    apply.__name__ = apply.__qualname__ = f"{function.__name__}_"
    apply.__doc__ = f"In-place `{function.__name__}`."
    return apply


relu_, leaky_relu_, elu_, celu_ = map(_named_in_place, (relu, leaky_relu, elu, celu))
selu_, hardtanh_, threshold_, rrelu_ = map(_named_in_place, (selu, hardtanh, threshold, rrelu))

__all__ = public(globals())
