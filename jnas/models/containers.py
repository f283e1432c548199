"""What holds blocks together in a network. Every edge is (N, C, H, W). Exported files carry this code along."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from translators.runtime import nn


class Network(nn.Module):
    """(N, C, H, W) images -> (N, classes) logits: stem, stages, and a head or else average pooling and a classifier."""

    def __init__(
        self, stem: nn.Module, stages: nn.Module, classifier: nn.Module | None = None, head: nn.Module | None = None
    ):
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.classifier: Any = classifier
        self.head: Any = head

    def forward(self, x: jax.Array) -> jax.Array:
        x = self.stages(self.stem(x))
        return self.classifier(jnp.mean(x, axis=(2, 3))) if self.head is None else self.head(x).reshape(len(x), -1)


class Residual(nn.Module):
    """(N, C, H, W) -> same: the input plus what the body makes of it."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.body(x)


class Branches(nn.Module):
    """One input through every branch; join: "add", "concat" (channels), "gate" (first times sigmoids of the rest)."""

    def __init__(self, *branches: nn.Module, join: str):
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.join = join

    def forward(self, x: jax.Array) -> jax.Array:
        first, *others = [branch(x) for branch in self.branches]
        if self.join == "concat":
            return jnp.concatenate([first, *others], axis=1)
        for other in others:
            first = first + other if self.join == "add" else first * jax.nn.sigmoid(other)
        return first


class Layout(nn.Module):
    """A block that works on NHWC or NLC inside, between (N, C, H, W) edges; `size` is (H, W) of its output."""

    def __init__(self, block: nn.Module, layout: str, output_layout: str, size: tuple[int, int]):
        super().__init__()
        self.block = block
        self.layout = layout
        self.output_layout = output_layout
        self.size = size

    def forward(self, x: jax.Array) -> jax.Array:
        return to_channels_first(self.block(from_channels_first(x, self.layout)), self.output_layout, self.size)


class Inside(nn.Module):
    """A part with (N, C, H, W) edges inside a block that hands it another layout; `size` is (H, W) of what comes in.

    What the block hands over besides the array says nothing in such a place (see tracing.py).
    """

    def __init__(self, part: nn.Module, layout: str, output_layout: str, size: tuple[int, int]):
        super().__init__()
        self.part = part
        self.layout = layout
        self.output_layout = output_layout
        self.size = size

    def forward(self, x: jax.Array, *nothing: object, **unset: object) -> jax.Array:
        return from_channels_first(self.part(to_channels_first(x, self.layout, self.size)), self.output_layout)


def from_channels_first(x: jax.Array, layout: str) -> jax.Array:
    """(N, C, H, W) in another layout; tokens are rows of the map, "NC" is one number per channel."""
    if layout == "NC":
        return x.reshape(len(x), -1)
    if layout == "NLC":
        return jnp.swapaxes(x.reshape(*x.shape[:2], -1), 1, 2)
    return jnp.transpose(x, (0, 2, 3, 1)) if layout == "NHWC" else x


def to_channels_first(x: jax.Array, layout: str, size: tuple[int, int]) -> jax.Array:
    """The inverse, for maps of `size`."""
    if layout == "NC":
        return x[:, :, None, None]
    if layout == "NLC":
        return jnp.swapaxes(x, 1, 2).reshape(x.shape[0], x.shape[2], *size)
    return jnp.transpose(x, (0, 3, 1, 2)) if layout == "NHWC" else x


def fitted(block: nn.Module, **inside: nn.Module | list[nn.Module]) -> nn.Module:
    """`block` with other parts at attribute paths; a list takes the place of a list."""
    for place, new in inside.items():
        path, _, name = place.rpartition(".")
        owner = block.get_submodule(path)
        if isinstance(new, list):
            new = nn.ModuleList(new) if isinstance(getattr(owner, name), nn.ModuleList) else nn.Sequential(*new)
        setattr(owner, name, new)
    return block
