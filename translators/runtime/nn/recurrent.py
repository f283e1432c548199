"""Recurrent layers: one scan per layer and direction, PyTorch's gate order and weight names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from translators.runtime import functional as F
from translators.runtime import init
from translators.runtime.arrays import public, value
from translators.runtime.module import Module, Parameter
from translators.runtime.tensor.creation import empty


def _lstm(given: jax.Array, state: tuple, weight: Any, bias: Any) -> tuple:
    """Gates in the order input, forget, cell, output."""
    h, c = state
    i, f, g, o = jnp.split(given + F.linear(h, weight, bias), 4, axis=-1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return (jax.nn.sigmoid(o) * jnp.tanh(c), c)


def _gru(given: jax.Array, state: tuple, weight: Any, bias: Any) -> tuple:
    """Gates in the order reset, update, new; the reset gate acts on the projected state."""
    (h,) = state
    r, z, n = jnp.split(given, 3, axis=-1)
    hr, hz, hn = jnp.split(F.linear(h, weight, bias), 3, axis=-1)
    update = jax.nn.sigmoid(z + hz)
    return ((1 - update) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + update * h,)


def _tanh(given: jax.Array, state: tuple, weight: Any, bias: Any) -> tuple:
    return (jnp.tanh(given + F.linear(state[0], weight, bias)),)


def _relu(given: jax.Array, state: tuple, weight: Any, bias: Any) -> tuple:
    return (jax.nn.relu(given + F.linear(state[0], weight, bias)),)


class _Recurrent(Module):
    _gates = 1
    _states = 1
    _step: Callable = staticmethod(_tanh)

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ):  # fmt: skip
        super().__init__()
        if proj_size and self._states == 1:
            raise ValueError("proj_size is for LSTM only")
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size {proj_size} is not smaller than hidden_size {hidden_size}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        out = proj_size or hidden_size
        directions = 2 if bidirectional else 1
        rows = self._gates * hidden_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                width = input_size if layer == 0 else out * directions
                self.register_parameter(f"weight_ih_{suffix}", Parameter(empty(rows, width, dtype=dtype)))
                self.register_parameter(f"weight_hh_{suffix}", Parameter(empty(rows, out, dtype=dtype)))
                if bias:
                    self.register_parameter(f"bias_ih_{suffix}", Parameter(empty(rows, dtype=dtype)))
                    self.register_parameter(f"bias_hh_{suffix}", Parameter(empty(rows, dtype=dtype)))
                if proj_size:
                    self.register_parameter(f"weight_hr_{suffix}", Parameter(empty(out, hidden_size, dtype=dtype)))
        self.reset_parameters()

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        return (f"l{layer}", f"l{layer}_reverse") if self.bidirectional else (f"l{layer}",)

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """PyTorch's memory layout for cuDNN; nothing to do."""

    def _weights(self, suffix: str) -> tuple:
        names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
        return tuple(value(vars(self).get(f"{name}_{suffix}")) for name in names)

    def _run(self, x: jax.Array, states: tuple, suffix: str) -> tuple:
        """x (L, N, C); returns (L, N, H) and the last states."""
        weight_in, bias_in, weight, bias = self._weights(suffix)
        given = F.linear(x, weight_in, bias_in)
        narrowed = value(vars(self).get(f"weight_hr_{suffix}"))
        backwards = suffix.endswith("_reverse")

        def step(states: tuple, now: jax.Array) -> tuple:
            states = self._step(now, states, weight, bias)
            if narrowed is not None:
                states = (F.linear(states[0], narrowed), *states[1:])
            return states, states[0]

        scanned: Any = lax.scan(step, states, given, reverse=backwards)
        return scanned[1], scanned[0]

    def forward(self, input: Any, hx: Any = None) -> tuple:
        x = jnp.asarray(input)
        single = x.ndim == 2
        if single:
            x = x[:, None]
        elif self.batch_first:
            x = jnp.swapaxes(x, 0, 1)
        count = self.num_layers * (2 if self.bidirectional else 1)
        if hx is None:
            widths = (self.proj_size or self.hidden_size, self.hidden_size)[: self._states]
            first = tuple(jnp.zeros((count, x.shape[1], width), x.dtype) for width in widths)
        else:
            first = tuple(hx) if self._states > 1 else (hx,)
            first = tuple(s[:, None] for s in first) if single else first
        last: list[tuple] = []
        for layer in range(self.num_layers):
            outputs: list[Any] = []
            for suffix in self._suffixes(layer):
                output, states = self._run(x, tuple(s[len(last)] for s in first), suffix)
                outputs.append(output)
                last.append(states)
            x = jnp.concatenate(outputs, axis=-1)
            if layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        final = tuple(jnp.stack(state) for state in zip(*last, strict=True))
        if single:
            x, final = x[:, 0], tuple(s[:, 0] for s in final)
        elif self.batch_first:
            x = jnp.swapaxes(x, 0, 1)
        return x, final if self._states > 1 else final[0]


class LSTM(_Recurrent):
    _gates, _states, _step = 4, 2, staticmethod(_lstm)


class GRU(_Recurrent):
    _gates, _step = 3, staticmethod(_gru)


class RNN(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **kwargs: Any,
    ):
        super().__init__(input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity
        self._step = _relu if nonlinearity == "relu" else _tanh


class _Cell(Module):
    _gates = 1
    _states = 1
    _step: Callable = staticmethod(_tanh)

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = self._gates * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, dtype=dtype))
        self.bias_ih = Parameter(empty(rows, dtype=dtype)) if bias else None
        self.bias_hh = Parameter(empty(rows, dtype=dtype)) if bias else None
        bound = 1 / math.sqrt(hidden_size) if hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Any, hx: Any = None) -> Any:
        if hx is None:
            states = (jnp.zeros((*input.shape[:-1], self.hidden_size), input.dtype),) * self._states
        else:
            states = tuple(hx) if self._states > 1 else (hx,)
        given = F.linear(input, self.weight_ih, self.bias_ih)
        found = self._step(given, states, value(self.weight_hh), value(self.bias_hh))
        return found if self._states > 1 else found[0]


class LSTMCell(_Cell):
    _gates, _states, _step = 4, 2, staticmethod(_lstm)


class RNNCell(_Cell):
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity
        self._step = _relu if nonlinearity == "relu" else _tanh


class GRUCell(_Cell):
    _gates, _step = 3, staticmethod(_gru)


__all__ = public(globals())
