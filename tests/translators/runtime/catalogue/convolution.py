"""Convolutions, pooling, padding, patches and shuffles, over one, two and three axes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, Draw, layers, table


def _convolution(draw: Draw, spatial: int, layer: bool) -> Case:
    groups = draw.of(1, 1, 2, 4)
    width, out = 4, groups * draw.number(1, 2)
    kernel = draw.each(spatial, 1, 3)
    sizes = draw.numbers(spatial, 5, 7)
    stride, dilation = draw.each(spatial, 1, 2), draw.each(spatial, 1, 2)
    padding = draw.of(0, 1, draw.numbers(spatial, 0, 2), "valid")
    if stride == 1 and draw.flag():
        padding = "same"
    lead = () if draw.number(0, 4) == 0 else (draw.number(1, 2),)
    x = draw.normal(*lead, width, *sizes)
    kernel_sizes = (kernel,) * spatial if isinstance(kernel, int) else kernel
    chosen = draw.options(stride=stride, padding=padding, dilation=dilation)
    if layer:
        mode = draw.of("zeros", "zeros", "reflect", "replicate", "circular")
        chosen += draw.options(bias=draw.flag(), padding_mode=mode)
        call = f"nn.Conv{spatial}d({width}, {out}, {kernel}{chosen}, groups={groups})"
        return Case("self.layer(x)", {"x": x}, call)
    arrays = {"x": x, "w": draw.normal(out, width // groups, *kernel_sizes), "b": draw.normal(out)}
    bias = draw.of("b", "None", "bias=b")
    if bias == "None":
        del arrays["b"]
    where = draw.of("F", "torch")
    return Case(f"{where}.conv{spatial}d(x, w, {bias}{chosen}, groups={groups})", arrays)


def _transposed(draw: Draw, spatial: int, layer: bool) -> Case:
    groups = draw.of(1, 1, 2, 4)
    width, out = 4, groups * draw.number(1, 2)
    kernel = draw.each(spatial, 1, 4)
    stride = draw.each(spatial, 1, 3)
    least = min(stride) if isinstance(stride, tuple) else stride
    extra = draw.number(0, least - 1)
    padding, dilation = draw.of(0, 1), draw.each(spatial, 1, 2)
    if (min(kernel) if isinstance(kernel, tuple) else kernel) == 1:
        padding = 0
    lead = () if draw.number(0, 4) == 0 else (draw.number(1, 2),)
    x = draw.normal(*lead, width, *draw.numbers(spatial, 3, 5))
    kernel_sizes = (kernel,) * spatial if isinstance(kernel, int) else kernel
    given = f", stride={stride}, padding={padding}, output_padding={extra}, groups={groups}, dilation={dilation}"
    if layer:
        call = f"nn.ConvTranspose{spatial}d({width}, {out}, {kernel}{given}{draw.options(bias=draw.flag())})"
        return Case("self.layer(x)", {"x": x}, call)
    arrays = {"x": x, "w": draw.normal(width, out // groups, *kernel_sizes), "b": draw.normal(out)}
    return Case(f"{draw.of('F', 'torch')}.conv_transpose{spatial}d(x, w, b{given})", arrays)


def _pool(draw: Draw, spatial: int, layer: bool) -> Case:
    kind = draw.of("Max", "Max", "Avg", "Avg", "LP", "AdaptiveMax", "AdaptiveAvg")
    sizes = draw.numbers(spatial, 5, 8) if spatial < 3 else draw.numbers(spatial, 4, 6)
    lead = () if draw.number(0, 3) == 0 and kind != "LP" else (draw.number(1, 2),)
    x = draw.normal(*lead, 3, *sizes)
    name = f"{kind}Pool{spatial}d"
    function = {"Max": "max", "Avg": "avg", "LP": "lp", "AdaptiveMax": "adaptive_max", "AdaptiveAvg": "adaptive_avg"}
    if kind.startswith("Adaptive"):
        targets = [draw.of(*([n, None] if spatial > 1 else [n])) for n in draw.numbers(spatial, 1, 5)]
        given = str(tuple(targets)) if draw.flag() and spatial > 1 else str(draw.number(1, 5))
        given += ", return_indices=True" if kind == "AdaptiveMax" and draw.flag() else ""
    else:
        kernel = draw.each(spatial, 2, 3) if kind != "LP" or spatial > 1 else draw.number(2, 3)
        chosen = draw.options(stride=draw.each(spatial, 1, 3), ceil_mode=draw.flag())
        if kind != "LP":
            chosen += draw.options(padding=draw.of(0, 1))
        if kind == "Max":
            chosen += draw.options(dilation=draw.number(1, 2), return_indices=draw.flag())
        if kind == "Avg":
            chosen += draw.options(count_include_pad=draw.flag())
            chosen += draw.options(divisor_override=draw.of(None, 3)) if spatial > 1 else ""
        given = f"{kernel}{chosen}"
        x, given = (abs(x) + 0.1, f"{draw.of(2, 3.0)}, {given}") if kind == "LP" else (x, given)
    if layer:
        return Case("self.layer(x)", {"x": x}, f"nn.{name}({given})")
    return Case(f"F.{function[kind]}_pool{spatial}d(x, {given})", {"x": x}, tolerance=1e-4)


def _unpool(draw: Draw, spatial: int) -> Case:
    given = draw.flag()
    sizes = tuple(2 * n + (draw.number(0, 1) if given else 0) for n in draw.numbers(spatial, 2, 3))
    x = draw.normal(draw.number(1, 2), 3, *sizes)
    size = draw.of(f"output_size={sizes}", "output_size=x.size()")
    if given:
        body = f"y, places = F.max_pool{spatial}d(x, 2, return_indices=True)\nreturn self.layer(y, places, {size})"
        return Case(body, {"x": x}, f"nn.MaxUnpool{spatial}d(2{draw.options(stride=2)})")
    pool = draw.of(f"F.max_pool{spatial}d_with_indices(x, 2, 2)", f"nn.MaxPool{spatial}d(2, return_indices=True)(x)")
    return Case(f"y, places = {pool}\nreturn F.max_unpool{spatial}d(y, places, 2, 2)", {"x": x})


def _padding(draw: Draw, spatial: int, layer: bool) -> Case:
    sizes = draw.numbers(spatial, 4, 6)
    x = draw.normal(draw.number(1, 2), 2, *sizes)
    amounts = draw.numbers(2 * spatial, -1, 3)
    mode = draw.of("constant", "reflect", "replicate", "circular")
    if layer:
        name = {"constant": draw.of("Zero", "Constant"), "reflect": "Reflection", "replicate": "Replication"}
        name = name.get(mode, "Circular") + f"Pad{spatial}d"
        number = ", 2.5" if name.startswith("Constant") else ""
        given = draw.of(str(draw.number(0, 3)), str(tuple(map(abs, amounts))))
        return Case("self.layer(x)", {"x": x}, f"nn.{name}({given}{number})")
    given = draw.options(value=draw.of(0.5, -1)) if mode == "constant" else f", mode={mode!r}"
    return Case(f"F.pad(x, {draw.of(amounts, list(amounts))}{given})", {"x": x})


_PATCHES = """
image Unfold({3|3, padding=1|(2, 3), stride=2|kernel_size=2, dilation=2, padding=(1, 0), stride=(1, 2)|2, 1, 1, 2})
image- Unfold({3|(2, 3), padding=1})
image PixelShuffle({2|upscale_factor=2})
image- PixelShuffle(2)
image ChannelShuffle({2|groups=4})
image Flatten({|2|start_dim=0|1, 2|start_dim=1, end_dim=-2})
image Unflatten({1, (2, 2)|dim=1, unflattened_size=(4, 1)|1, [2, -1]})
"""

_PATCH_FUNCTIONS = """
f unfold(z[:, None], {3|kernel_size=2, padding=1|(2, 3), dilation=(2, 1), stride=2})
p F.fold(F.unfold(z[:, None], {3), (6, 4), 3|2, stride=2), (6, 4), 2, stride=2|2, padding=1), output_size=(6, 4),
     kernel_size=2, padding=1|(2, 3), dilation=(2, 1)), (6, 4), (2, 3), dilation=(2, 1)})
p nn.Fold({(6, 4), 3|output_size=(6, 4), kernel_size=3, stride=1})(F.unfold(z[:, None], 3))
p nn.Fold((6, 4), 2, padding=1, stride=2)(F.unfold(z[:, None], 2, padding=1, stride=2))
f pixel_unshuffle(z[:, None], {2|downscale_factor=2})
t {pixel_shuffle(z.reshape(-1, 4, 3, 2), 2)|pixel_unshuffle(z[None], 2)|channel_shuffle(z[..., None], 3)}
p nn.PixelUnshuffle({2|downscale_factor=2})(z[:, None])
f {pixel_shuffle(z.reshape(-1, 4, 3, 2), 2)|channel_shuffle(z[..., None], groups=2)}
f pad({x, (1, 2)|x, [0, 0, 1, 1]|x, (1, -1, 0, 2), "constant", 3.0|x, (0, 1), mode="constant", value=float("-inf")|
    n, (1, 1)|b, (1, 0), value=True|x, (0, 0, 0, 0, 1, 1)|x, (1, 1), "replicate"})
"""


_PLAIN_LAYERS = """
KIND {ZeroPad|ReflectionPad|ReplicationPad|CircularPad|MaxPool|AvgPool|AdaptiveMaxPool|AdaptiveAvgPool}Nd(1)
KIND ConstantPadNd(1, 0.5)
KIND {MaxPool|AvgPool}Nd({3, 2, 1|2, ceil_mode=True})
"""


def _plain(spatial: int) -> Iterator[Case]:
    """Each pooling and padding once, however few are drawn."""
    kind = ("sequence", "image", "volume")[spatial - 1]
    yield from layers(_PLAIN_LAYERS.replace("KIND", kind).replace("Nd", f"{spatial}d"), 1, 63)
    x = Draw((64, spatial)).normal(1, 3, *(5, 6, 4)[:spatial])
    for function in ("max_pool", "adaptive_max_pool", "avg_pool", "adaptive_avg_pool"):
        yield Case(f"F.{function}{spatial}d(x, 2)", {"x": x})
        if "max" in function:
            yield Case(f"F.{function}{spatial}d_with_indices(x, 2)", {"x": x})
        if spatial == 1 or function == "max_pool":
            yield Case(f"torch.{function}{spatial}d(x, 2)", {"x": x})
    positive = {"x": abs(x) + 0.1}
    yield Case("self.layer(x)", positive, f"nn.LPPool{spatial}d(2, 2)", tolerance=1e-4)
    yield Case(f"F.lp_pool{spatial}d(x, 3.0, 2, ceil_mode=True)", positive, tolerance=1e-4)
    size = f"output_size={tuple(2 * n for n in x.shape[2:])}"
    yield Case(f"self.layer(x, {size})", {"x": x}, f"nn.ConvTranspose{spatial}d(3, 2, 3, 2, 1)")
    pooled = f"y, places = F.max_pool{spatial}d(x, 2, return_indices=True)\n"
    yield Case(f"{pooled}return self.layer(y, places)", {"x": x}, f"nn.MaxUnpool{spatial}d(2)")
    yield Case(f"{pooled}return F.max_unpool{spatial}d(y, places, 2)", {"x": x})


def cases(draws: int) -> Iterator[Case]:
    for number, make in enumerate((_convolution, _transposed, _pool, _padding)):
        for spatial in (1, 2, 3):
            for layer in (False, True):
                few = 2 if spatial == 3 else 5
                for i in range(draws * few * (3 if make is _pool else 1)):
                    yield make(Draw((61, number, spatial, layer, i)), spatial, layer)
    for spatial in (1, 2, 3):
        for i in range(draws * 3):
            yield _unpool(Draw((62, spatial, i)), spatial)
    for spatial in (1, 2, 3):
        yield from _plain(spatial)
    yield from layers(_PATCHES, draws, 67)
    yield from table(_PATCH_FUNCTIONS, draws, 68)
