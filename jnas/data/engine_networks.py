"""Networks for the engine benchmark, in PyTorch: images (B, 3, 32, 32) to logits (B, 10)."""

import torch
from torch import nn
from torch.nn import functional as F


class Unit(nn.Sequential):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__(nn.ReLU(), nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Cell(nn.Module):
    """A cell of NAS-Bench-201: four nodes, five convolutions and the identity from first to last."""

    def __init__(self, width):
        super().__init__()
        self.edges = nn.ModuleList([Unit(width, width) for _ in range(5)])

    def forward(self, x):
        a, b, c, d, e = self.edges
        first = a(x)
        second = b(x) + c(first)
        return x + d(first) + e(second)


class Reduction(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.main = nn.Sequential(Unit(inputs, outputs, 2), Unit(outputs, outputs))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


class Cells(nn.Module):
    """The skeleton of NAS-Bench-201: fifteen cells, 82 convolutions."""

    def __init__(self, widths=(16, 32, 64), cells=5, classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0]))
        stages = []
        for index, width in enumerate(widths):
            if index:
                stages.append(Reduction(widths[index - 1], width))
            stages.extend([Cell(width) for _ in range(cells)])
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = F.relu(self.norm(self.stages(self.stem(x))))
        return self.head(x.mean((2, 3)))


class NormFirst(nn.Module):
    """Normalisation of (B, C, H, W) over C."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DepthwiseBlock(nn.Module):
    """A block of ConvNeXt."""

    def __init__(self, width):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.project(F.gelu(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class Depthwise(nn.Module):
    """ConvNeXt-atto with a stem for small images."""

    def __init__(self, widths=(40, 80, 160, 320), depths=(2, 2, 6, 2), classes=10):
        super().__init__()
        layers = [nn.Conv2d(3, widths[0], 2, 2), NormFirst(widths[0])]
        for index, (width, depth) in enumerate(zip(widths, depths)):
            if index:
                layers.extend([NormFirst(widths[index - 1]), nn.Conv2d(widths[index - 1], width, 2, 2)])
            layers.extend([DepthwiseBlock(width) for _ in range(depth)])
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x):
        return self.head(self.norm(self.layers(x).mean((2, 3))))


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.expand, self.project = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.out(y)
        return x + self.project(F.gelu(self.expand(self.norm2(x))))


class Attention(nn.Module):
    """A small vision transformer: patches of four pixels."""

    def __init__(self, width=192, depth=6, heads=3, patch=4, size=32, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, (size // patch) ** 2, width))
        self.blocks = nn.Sequential(*[TransformerBlock(width, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(x)).mean(1))
