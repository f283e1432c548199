"""What holds blocks together in a network. Every edge is (N, C, H, W). Exported files carry this code along."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from translators.runtime import nn


class Network(nn.Module):
    """(N, C, H, W) images -> (N, classes) logits: stem, stages, global average pooling, linear classifier."""

    def __init__(self, stem: nn.Module, stages: nn.Module, classifier: nn.Module):
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.classifier = classifier

    def forward(self, x: jax.Array) -> jax.Array:
        return self.classifier(jnp.mean(self.stages(self.stem(x)), axis=(2, 3)))


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
        if self.layout == "NLC":
            x = jnp.swapaxes(x.reshape(*x.shape[:2], -1), 1, 2)
        elif self.layout == "NHWC":
            x = jnp.transpose(x, (0, 2, 3, 1))
        x = self.block(x)
        if self.output_layout == "NLC":
            x = jnp.swapaxes(x, 1, 2).reshape(x.shape[0], x.shape[2], *self.size)
        elif self.output_layout == "NHWC":
            x = jnp.transpose(x, (0, 3, 1, 2))
        return x
