"""The engine benchmark's networks as flax's own layers have them: images (B, 32, 32, 3) to logits (B, 10)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen, nnx

CELL_WIDTHS, CELLS = (16, 32, 64), 5
DEPTHWISE_WIDTHS, DEPTHS = (40, 80, 160, 320), (2, 2, 6, 2)
WIDTH, BLOCKS, HEADS, PATCH = 192, 6, 3, 4
CLASSES = 10


def linen_network(name: str) -> linen.Module:
    return {"cells": LinenCells, "depthwise": LinenDepthwise, "attention": LinenAttention}[name]()


def nnx_network(name: str, rngs: nnx.Rngs) -> nnx.Module:
    return {"cells": NnxCells, "depthwise": NnxDepthwise, "attention": NnxAttention}[name](rngs)


class LinenCells(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        norm = partial(linen.BatchNorm, use_running_average=not train, momentum=0.9)
        conv = partial(linen.Conv, kernel_size=(3, 3), use_bias=False)

        def unit(x: Any, width: int, stride: int = 1) -> Any:
            return norm()(conv(width, strides=stride)(linen.relu(x)))

        x = norm()(conv(CELL_WIDTHS[0])(x))
        for index, width in enumerate(CELL_WIDTHS):
            if index:
                shortcut = linen.Conv(width, (1, 1), use_bias=False)(linen.avg_pool(x, (2, 2), (2, 2)))
                x = unit(unit(x, width, 2), width) + shortcut
            for _ in range(CELLS):
                first = unit(x, width)
                second = unit(x, width) + unit(first, width)
                x = x + unit(first, width) + unit(second, width)
        return linen.Dense(CLASSES)(linen.relu(norm()(x)).mean((1, 2)))


class LinenDepthwise(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = linen.LayerNorm()(linen.Conv(DEPTHWISE_WIDTHS[0], (2, 2), 2)(x))
        for index, (width, depth) in enumerate(zip(DEPTHWISE_WIDTHS, DEPTHS, strict=True)):
            if index:
                x = linen.Conv(width, (2, 2), 2)(linen.LayerNorm()(x))
            for block in range(depth):
                y = linen.LayerNorm()(linen.Conv(width, (7, 7), feature_group_count=width)(x))
                y = linen.Dense(width)(linen.gelu(linen.Dense(4 * width)(y), approximate=False))
                x = x + y * self.param(f"scale{index}{block}", linen.initializers.constant(1e-6), (width,))
        return linen.Dense(CLASSES)(linen.LayerNorm()(x.mean((1, 2))))


class LinenAttention(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        width = WIDTH
        x = linen.Conv(width, (PATCH, PATCH), PATCH)(x)
        x = x.reshape(x.shape[0], -1, width)
        x = x + self.param("positions", linen.initializers.zeros, (1, *x.shape[1:]))
        for _ in range(BLOCKS):
            x = x + linen.MultiHeadDotProductAttention(HEADS)(linen.LayerNorm()(x))
            y = linen.gelu(linen.Dense(4 * width)(linen.LayerNorm()(x)), approximate=False)
            x = x + linen.Dense(width)(y)
        return linen.Dense(CLASSES)(linen.LayerNorm()(x).mean(1))


class _Unit(nnx.Module):
    def __init__(self, inputs: int, outputs: int, rngs: nnx.Rngs, stride: int = 1):
        self.conv = nnx.Conv(inputs, outputs, (3, 3), stride, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, momentum=0.9, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.norm(self.conv(nnx.relu(x)))


class _Cell(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs):
        self.edges = nnx.List([_Unit(width, width, rngs) for _ in range(5)])

    def __call__(self, x: Any) -> Any:
        a, b, c, d, e = self.edges
        first = a(x)
        return x + d(first) + e(b(x) + c(first))


class _Reduction(nnx.Module):
    def __init__(self, inputs: int, outputs: int, rngs: nnx.Rngs):
        self.main = nnx.List([_Unit(inputs, outputs, rngs, 2), _Unit(outputs, outputs, rngs)])
        self.shortcut = nnx.Conv(inputs, outputs, (1, 1), use_bias=False, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.main[1](self.main[0](x)) + self.shortcut(nnx.avg_pool(x, (2, 2), (2, 2)))


class NnxCells(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        widths = CELL_WIDTHS
        self.stem = nnx.Conv(3, widths[0], (3, 3), use_bias=False, rngs=rngs)
        self.stem_norm = nnx.BatchNorm(widths[0], momentum=0.9, rngs=rngs)
        stages: list[nnx.Module] = []
        for index, width in enumerate(widths):
            stages += [_Reduction(widths[index - 1], width, rngs)] if index else []
            stages += [_Cell(width, rngs) for _ in range(CELLS)]
        self.stages = nnx.List(stages)
        self.norm = nnx.BatchNorm(widths[-1], momentum=0.9, rngs=rngs)
        self.head = nnx.Linear(widths[-1], CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.stem_norm(self.stem(x))
        for stage in self.stages:
            x = stage(x)
        return self.head(nnx.relu(self.norm(x)).mean((1, 2)))


class _DepthwiseBlock(nnx.Module):
    def __init__(self, width: int, rngs: nnx.Rngs):
        self.depthwise = nnx.Conv(width, width, (7, 7), feature_group_count=width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.expand = nnx.Linear(width, 4 * width, rngs=rngs)
        self.project = nnx.Linear(4 * width, width, rngs=rngs)
        self.scale = nnx.Param(jnp.full((width,), 1e-6))

    def __call__(self, x: Any) -> Any:
        y = self.project(nnx.gelu(self.expand(self.norm(self.depthwise(x))), approximate=False))
        return x + y * self.scale[...]


class NnxDepthwise(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        widths = DEPTHWISE_WIDTHS
        layers: list[Callable] = [nnx.Conv(3, widths[0], (2, 2), 2, rngs=rngs), nnx.LayerNorm(widths[0], rngs=rngs)]
        for index, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
            if index:
                layers.append(nnx.LayerNorm(widths[index - 1], rngs=rngs))
                layers.append(nnx.Conv(widths[index - 1], width, (2, 2), 2, rngs=rngs))
            layers += [_DepthwiseBlock(width, rngs) for _ in range(depth)]
        self.layers = nnx.List(layers)
        self.norm = nnx.LayerNorm(widths[-1], rngs=rngs)
        self.head = nnx.Linear(widths[-1], CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x.mean((1, 2))))


class _TransformerBlock(nnx.Module):
    def __init__(self, width: int, heads: int, rngs: nnx.Rngs):
        self.norm1, self.norm2 = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.expand = nnx.Linear(width, 4 * width, rngs=rngs)
        self.project = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.project(nnx.gelu(self.expand(self.norm2(x)), approximate=False))


class NnxAttention(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        width = WIDTH
        self.patches = nnx.Conv(3, width, (PATCH, PATCH), PATCH, rngs=rngs)
        self.positions = nnx.Param(jnp.zeros((1, (32 // PATCH) ** 2, width)))
        self.blocks = nnx.List([_TransformerBlock(width, HEADS, rngs) for _ in range(BLOCKS)])
        self.norm = nnx.LayerNorm(width, rngs=rngs)
        self.head = nnx.Linear(width, CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.patches(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1]) + self.positions[...]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))
