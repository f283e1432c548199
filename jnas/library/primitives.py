"""Our own blocks, in Flax on the runtime that translated code uses. What fits where stands in declarations.py."""

from __future__ import annotations

import jax

from translators.runtime import functional as F
from translators.runtime import nn, ops


class ConvNormAct(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / stride, W / stride): convolution, batch normalisation, activation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.act = activation()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.act(self.norm(self.conv(x)))


class DepthwiseSeparable(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / stride, W / stride): depthwise then pointwise convolution (MobileNet)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        self.depthwise = ConvNormAct(in_channels, in_channels, kernel_size, stride, in_channels, activation)
        self.pointwise = ConvNormAct(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.pointwise(self.depthwise(x))


class _Shortcut(nn.Module):
    """The input where shapes agree, else a strided pointwise projection of it (ResNet, option B)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.project = (
            None
            if stride == 1 and in_channels == out_channels
            else ConvNormAct(in_channels, out_channels, 1, stride, activation=nn.Identity)
        )

    def forward(self, x: jax.Array) -> jax.Array:
        return x if self.project is None else self.project(x)


class BasicResidual(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / stride, W / stride): the two-convolution block of ResNet."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        self.conv1 = ConvNormAct(in_channels, out_channels, kernel_size, stride, activation=activation)
        self.conv2 = ConvNormAct(out_channels, out_channels, kernel_size, activation=nn.Identity)
        self.shortcut = _Shortcut(in_channels, out_channels, stride)
        self.act = activation()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.act(self.conv2(self.conv1(x)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / stride, W / stride): the 1-3-1 block of ResNet, inner width by `ratio`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        ratio: float = 0.25,
        activation: type[nn.Module] = nn.ReLU,
    ):
        super().__init__()
        inner = max(1, round(out_channels * ratio))
        self.reduce = ConvNormAct(in_channels, inner, 1, activation=activation)
        self.conv = ConvNormAct(inner, inner, kernel_size, stride, activation=activation)
        self.expand = ConvNormAct(inner, out_channels, 1, activation=nn.Identity)
        self.shortcut = _Shortcut(in_channels, out_channels, stride)
        self.act = activation()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.act(self.expand(self.conv(self.reduce(x))) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / stride, W / stride): expand, depthwise, project (MobileNetV2 and V3)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        ratio: float = 4.0,
        squeeze_excite: bool = False,
        activation: type[nn.Module] = nn.ReLU6,
    ):
        super().__init__()
        inner = max(1, round(in_channels * ratio))
        self.expand = ConvNormAct(in_channels, inner, 1, activation=activation)
        self.depthwise = ConvNormAct(inner, inner, kernel_size, stride, inner, activation)
        self.gate = SqueezeExcite(inner) if squeeze_excite else nn.Identity()
        self.project = ConvNormAct(inner, out_channels, 1, activation=nn.Identity)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.project(self.gate(self.depthwise(self.expand(x))))
        return x + y if self.residual else y


class SqueezeExcite(nn.Module):
    """(N, C, H, W) -> same: channels gated by an MLP of their means; `ratio` of the width inside."""

    def __init__(self, channels: int, ratio: float = 0.25, activation: type[nn.Module] = nn.ReLU):
        super().__init__()
        inner = max(1, round(channels * ratio))
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.act = activation()
        self.expand = nn.Conv2d(inner, channels, 1)

    def forward(self, x: jax.Array) -> jax.Array:
        pooled = ops.mean(x, (2, 3), keepdim=True)
        return x * F.sigmoid(self.expand(self.act(self.reduce(pooled))))


class MaxPool(nn.Module):
    """(N, C, H, W) -> (N, C, H / stride, W / stride)."""

    def __init__(self, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.pool = nn.MaxPool2d(kernel_size, stride, kernel_size // 2)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.pool(x)


class AvgPool(nn.Module):
    """(N, C, H, W) -> (N, C, H / stride, W / stride); padding is not counted."""

    def __init__(self, kernel_size: int = 3, stride: int = 1):
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size, stride, kernel_size // 2, count_include_pad=False)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.pool(x)


class PatchMerging(nn.Module):
    """(N, C, H, W) -> (N, out_channels, H / 2, W / 2): non-overlapping 2 x 2 patches, projected."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.project = nn.Conv2d(in_channels, out_channels, 2, 2)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.project(self.norm(x))


class BatchNorm(nn.Module):
    """(N, C, H, W) -> same."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.norm(x)


class LayerNorm(nn.Module):
    """(N, H, W, C) -> same, normalised over channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: jax.Array) -> jax.Array:
        return self.norm(x)


class Activation(nn.Module):
    """Any shape -> same."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU):
        super().__init__()
        self.act = activation()

    def forward(self, x: jax.Array) -> jax.Array:
        return self.act(x)


class ChannelShuffle(nn.Module):
    """(N, C, H, W) -> same, channels of `groups` groups interleaved (ShuffleNet)."""

    def __init__(self, groups: int = 2):
        super().__init__()
        self.groups = groups

    def forward(self, x: jax.Array) -> jax.Array:
        n, c, h, w = x.shape
        return x.reshape(n, self.groups, c // self.groups, h, w).swapaxes(1, 2).reshape(n, c, h, w)


class Mlp(nn.Module):
    """(N, L, C) -> same: x + MLP(LayerNorm(x))."""

    def __init__(self, dim: int, ratio: float = 4.0, activation: type[nn.Module] = nn.GELU):
        super().__init__()
        inner = max(1, round(dim * ratio))
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, inner)
        self.act = activation()
        self.fc2 = nn.Linear(inner, dim)

    def forward(self, x: jax.Array) -> jax.Array:
        return x + self.fc2(self.act(self.fc1(self.norm(x))))


class SelfAttention(nn.Module):
    """(N, L, C) -> same: x + multi-head self-attention(LayerNorm(x)) (ViT)."""

    def __init__(self, dim: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: jax.Array) -> jax.Array:
        n, length, c = x.shape
        qkv = self.qkv(self.norm(x)).reshape(n, length, 3, self.heads, c // self.heads).transpose(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        return x + self.project(y.swapaxes(1, 2).reshape(n, length, c))


class TokenMixer(nn.Module):
    """(N, L, C) -> same: x + MLP over the L = tokens positions of LayerNorm(x) (MLP-Mixer)."""

    def __init__(self, dim: int, tokens: int, ratio: float = 0.5, activation: type[nn.Module] = nn.GELU):
        super().__init__()
        inner = max(1, round(tokens * ratio))
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(tokens, inner)
        self.act = activation()
        self.fc2 = nn.Linear(inner, tokens)

    def forward(self, x: jax.Array) -> jax.Array:
        y = self.fc2(self.act(self.fc1(self.norm(x).swapaxes(1, 2))))
        return x + y.swapaxes(1, 2)
