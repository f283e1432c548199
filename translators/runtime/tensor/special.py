"""Special functions, at top level and in the namespace `special`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp

from translators.runtime.arrays import op, public
from translators.runtime.functional.activation import log_softmax, softmax
from translators.runtime.tensor import elementwise
from translators.runtime.tensor.reduction import logsumexp


def _traced(*arrays: Any) -> tuple[jax.Array, ...]:
    """JAX arrays of floating-point numbers."""
    return tuple(jnp.asarray(elementwise._floating(x)) for x in arrays)


def _special(name: str, function: Any, arguments: int = 1) -> Any:
    def apply(input: Any) -> Any:
        return function(*_traced(input))

    def apply_two(input: Any, other: Any) -> Any:
        return function(*_traced(input, other))

    chosen = apply if arguments == 1 else apply_two
    chosen.__name__ = chosen.__qualname__ = name
    chosen.__doc__ = f"Element-wise {function.__name__}."
    chosen.__module__ = __name__
    return op(chosen)


erf, erfc, erfinv = (_special(name, getattr(jax.scipy.special, name)) for name in ("erf", "erfc", "erfinv"))
i0 = _special("i0", jax.scipy.special.i0)
lgamma, digamma = _special("lgamma", jax.scipy.special.gammaln), _special("digamma", jax.scipy.special.digamma)
igamma = _special("igamma", jax.scipy.special.gammainc, 2)
igammac = _special("igammac", jax.scipy.special.gammaincc, 2)
sinc = _special("sinc", jnp.sinc)


@op
def xlogy(input: Any, other: Any) -> Any:
    """input * log(other), zero where input is."""
    x, y = _traced(input, other)
    zero = x == 0
    return jnp.where(zero & ~jnp.isnan(y), 0, x * jnp.log(jnp.where(zero, 1, y)))


@op
def logit(input: Any, eps: float | None = None) -> Any:
    x = elementwise._floating(input)
    x = x if eps is None else elementwise.clamp(x, eps, 1 - eps)
    return elementwise.log(x / (1 - x))


@op
def polygamma(n: int, input: Any) -> Any:
    return jax.scipy.special.polygamma(n, *_traced(input))


special = SimpleNamespace(
    erf=erf, erfc=erfc, erfinv=erfinv, digamma=digamma, i0=i0, sinc=sinc, xlogy=xlogy, logit=logit,
    exp2=elementwise.exp2, expm1=elementwise.expm1, log1p=elementwise.log1p, round=elementwise.round,
    **{
        name: _special(name, getattr(jax.scipy.special, name))
        for name in ("i0e", "i1", "i1e", "ndtr", "log_ndtr", "entr")
    },
    xlog1py=_special("xlog1py", jax.scipy.special.xlog1py, 2),
    zeta=_special("zeta", jax.scipy.special.zeta, 2),
    expit=elementwise.sigmoid, gammaln=lgamma, psi=digamma, polygamma=polygamma, gammainc=igamma, gammaincc=igammac,
    softmax=softmax, log_softmax=log_softmax, logsumexp=logsumexp,
)  # fmt: skip

__all__ = public(globals())
