"""Normalisation, linear and recurrent layers, attention, embeddings, resampling, containers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.translators.runtime.catalogue.draw import Case, Draw, layers, table

_NORMALIZATION = """
image+ BatchNorm2d({4|4, eps=0.01, momentum=0.3|4, affine=False|4, track_running_stats=False|4, momentum=None|
    num_features=4})
sequence+ BatchNorm1d({4|4, momentum=None|4, affine=False, track_running_stats=False})
vector+ BatchNorm1d({4|4, 1e-3, 0.2})
volume+ BatchNorm3d({4|4, affine=False})
image SyncBatchNorm({4|4, eps=0.01})
sequence SyncBatchNorm(4)
image+ InstanceNorm2d({4|4, affine=True|4, affine=True, track_running_stats=True|
    4, eps=0.1, track_running_stats=True, momentum=0.3})
sequence+ InstanceNorm1d({4|4, affine=True, track_running_stats=True})
volume+ InstanceNorm3d({4|4, affine=True})
image-+ InstanceNorm2d({4|4, affine=True})
sequence- InstanceNorm1d({4})
image GroupNorm({2, 4|4, 4|1, 4, eps=0.1|num_groups=2, num_channels=4, affine=False})
vector GroupNorm({2, 4})
sequence GroupNorm(2, 4)
tokens LayerNorm({8|(8,)|8, eps=1e-3|8, elementwise_affine=False|8, bias=False|[8]|normalized_shape=8})
tokens RMSNorm({8|8, eps=1e-3|(8,), elementwise_affine=False|8, 1e-6})
image LocalResponseNorm({3|2|size=5, alpha=0.5, beta=0.5, k=2.0|4, 1.0, 0.75, 1.0})
sequence LocalResponseNorm({3|2, alpha=1.0})
volume LocalResponseNorm({3|2, alpha=1.0})
image Conv2d(4, 4, 3, padding=1, padding_mode={"zeros"|"reflect"|"replicate"|"circular"})
sequence Conv1d(4, 4, 3, padding=2, padding_mode={"zeros"|"reflect"|"replicate"|"circular"})
volume Conv3d(4, 4, 3, padding=(1, 0, 2), padding_mode={"zeros"|"reflect"|"replicate"|"circular"})
tokens LSTM(8, 6, {proj_size=3|2, bidirectional=True, proj_size=2|batch_first=True, bias=False})
tokens RNN(8, 6, {nonlinearity="relu"|2, "tanh", bidirectional=True})
tokens Linear({8, 3|8, 3, bias=False|in_features=8, out_features=2})
tokens- Linear(8, 3)
image+ utils.weight_norm(nn.Conv2d(4, 6, 3), {"weight"|"weight", 1|"weight", None|name="weight", dim=3})
image+ utils.{remove_weight_norm(nn.utils.weight_norm(nn.Conv2d(4, 6, 3)))|
    remove_spectral_norm(nn.utils.spectral_norm(nn.Conv2d(4, 6, 3)))}
image+ utils.spectral_norm(nn.Conv2d(4, 6, 3), {"weight"|n_power_iterations=2|dim=1, eps=0.1})
image+ utils.spectral_norm(nn.ConvTranspose2d(4, 6, 3, stride=2), {"weight"|dim=0})
tokens+ utils.parametrizations.weight_norm(nn.Linear(8, 3), {"weight"|dim=None|dim=1})
tokens+ utils.parametrizations.spectral_norm(nn.Linear(8, 3), {"weight"|n_power_iterations=2, eps=0.1, dim=1})
tokens utils.parametrize.remove_parametrizations(nn.utils.parametrizations.{weight_norm|spectral_norm}(nn.Linear(8, 3)),
    "weight")
image {Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))|Sequential()|
    Upsample(scale_factor=2)}
"""

_FUNCTIONS = """
f layer_norm({x, x.shape[-1:]|x, x.shape[1:], eps=0.1|x, (x.shape[-1],), v, w|x, [x.shape[-1]], weight=v|
    x, x.shape[-1:], None, w, 1e-3})
t layer_norm({x, x.shape[-1:]|x, (x.shape[-1],), v, w})
f rms_norm({x, x.shape[-1:]|x, x.shape[1:], eps=0.1|x, (x.shape[-1],), v})
t rms_norm(x, x.shape[-1:])
f group_norm({z, 2|z, 3, eps=0.1|z, 6, z[0, :, 0], z[0, :, 1]})
t group_norm({z, 2})
f instance_norm({z|z, eps=0.1|z, weight=z[0, :, 0], bias=z[0, :, 1]})
t instance_norm({z, None, None, None, None, True, 0.1, 1e-5, False|
    z, z[0, :, 0], z[0, :, 1], None, None, True, 0.1, 0.1, True})
t batch_norm({z, z[0, :, 0], z[0, :, 1], z[0, :, 2].detach(), z[0, :, 3].detach() ** 2, False, 0.1, 1e-5, True|
    z, None, None, None, None, True, 0.1, 0.1, False})
t {embedding(m, h)|embedding(m, h, padding_idx=0)}
f batch_norm({z, z[0, :, 0].detach(), z[0, :, 1].detach() ** 2|z, None, None, training=True|
    z, z[0, :, 0].detach(), z[0, :, 1].detach() ** 2, z[0, :, 0], z[0, :, 1], False, 0.1, 0.1|
    z, None, None, z[0, :, 0], training=True, eps=0.5})
f local_response_norm({z, 3|z, 2, 0.5, 0.5, 2.0|z, size=4, alpha=1.0})
f interpolate({z, 5|z, scale_factor=2.0|z, size=7, mode="linear"|
    z, scale_factor=1.5, mode="linear", align_corners=True|z, size=3, mode="area"|z, 6, mode="nearest-exact"|
    z, scale_factor=0.6, mode="linear"|z, scale_factor=1.7, recompute_scale_factor=True, mode="linear"})
f interpolate({z[:, None], (9, 5)|z[:, None], scale_factor=(2, 1.5)|z[:, None], size=(3, 7), mode="bilinear"|
    z[:, None], scale_factor=2, mode="bilinear", align_corners=True|z[:, None], size=(4, 4), mode="area"|
    z[:, None], (5, 9), mode="bicubic"|z[:, None], scale_factor=1.4, mode="bicubic", align_corners=True|
    z[:, None], scale_factor=0.7, mode="bilinear", recompute_scale_factor=True|
    z[:, None], (4, 9), mode="nearest-exact"|z[:, None], scale_factor=0.5})
f interpolate({z[:, None], (3, 9), mode="bilinear", antialias=True|
    z[:, None], (3, 2), mode="bicubic", antialias=True|
    z[:, None], scale_factor=0.6, mode="bilinear", antialias=True|
    z[:, None], (4, 3), mode="bilinear", align_corners=True, antialias=True|
    z[:, None], (9, 7), mode="bicubic", antialias=True|
    z[:, None], scale_factor=(0.5, 1.3), mode="bicubic", antialias=True|
    z[:, None], (2, 2), mode="bicubic", antialias=True, align_corners=True})
f interpolate({z[:, None, None], (2, 3, 5)|z[:, None, None], (2, 3, 5), mode="trilinear"|
    z[:, None, None], scale_factor=2, mode="trilinear", align_corners=True|z[:, None, None], (1, 3, 2), mode="area"|
    z[:, None, None], scale_factor=1.5})
f upsample({z[:, None], (9, 5)|z[:, None], scale_factor=2, mode="bilinear"|z, scale_factor=2})
f {upsample_nearest|upsample_bilinear}(z[:, None], {(9, 5)|scale_factor=2})
f grid_sample({z[:, None], torch.tanh(g2) * 1.3|z[:, None], g2, mode="nearest"|
    z[:, None], g2, padding_mode="border"|z[:, None], g2, padding_mode="reflection"|
    z[:, None], g2, align_corners=True|z[:, None], g2, mode="bicubic"|
    z[:, None], g2, mode="bicubic", padding_mode="border", align_corners=True|
    z[:, None], g2, mode="bicubic", padding_mode="reflection"|z[:, None], g2, "bilinear", "reflection", True|
    z[:, None], g2, mode="nearest", padding_mode="border"|z[:, None], g2, mode="nearest", padding_mode="reflection"})
f grid_sample({z[:, None, None], g3|z[:, None, None], g3, padding_mode="border"|
    z[:, None, None], g3, padding_mode="reflection", align_corners=True|z[:, None, None], g3, mode="nearest"})
f affine_grid({t2, (t2.shape[0], 1, 3, 4)|t2, [t2.shape[0], 1, 4, 2], align_corners=True|
    t2, (t2.shape[0], 2, 1, 5), False})
f affine_grid({t3, (t3.shape[0], 1, 2, 3, 4)|t3, (t3.shape[0], 1, 2, 3, 4), align_corners=True})
f scaled_dot_product_attention({x, x, x|x, y, y|x, y, u, attn_mask=(x @ y.mT)|x, y, y, is_causal=True|
    x, y, y, scale=0.5|x, y, y, attn_mask=(u @ y.mT) > -9|x, y, y, None, 0.0, True})
f scaled_dot_product_attention({r[None], r[None, :1].repeat(1, 2, 1, 1), r[None, :1].repeat(1, 2, 1, 1)|
    r[None], r[None, :1], r[None, :1], enable_gqa=True|
    r.repeat(2, 1, 1)[None], r[None], r[None], enable_gqa=True, scale=1.0, is_causal=True})
"""

_SAMPLED = """
image Upsample({scale_factor=2|(9, 5), mode="bilinear", align_corners=True|scale_factor=1.5, mode="bicubic"|
    size=7, mode="nearest"|scale_factor=2, mode="bilinear", align_corners=False|
    scale_factor=(1.5, 2), recompute_scale_factor=True, mode="bilinear"})
sequence Upsample({scale_factor=2|7, mode="linear"})
volume Upsample({scale_factor=2|(3, 4, 5), mode="trilinear"})
image {UpsamplingBilinear2d|UpsamplingNearest2d}({scale_factor=2|(9, 5)|size=7})
"""


def _grids(text: str, draws: int, seed: int) -> Iterator[Case]:
    """Cases that may use g2 and g3, sampling grids, and t2 and t3, affine maps."""
    for number, case in enumerate(table(text, draws, seed)):
        draw = Draw((seed, number, 1))
        count = len(next(iter(case.arrays.values()))) if case.arrays else draw.number(1, 3)
        more = {"g2": (count, 3, 2, 2), "g3": (count, 2, 3, 2, 3), "t2": (count, 2, 3), "t3": (count, 3, 4)}
        arrays = case.arrays | {name: 0.7 * draw.normal(*shape) for name, shape in more.items() if name in case.body}
        yield Case(case.body, arrays, case.layer, gradient="nearest" not in case.body, tolerance=1e-4)


def _recurrent(draw: Draw) -> Case:
    kind = draw.of("LSTM", "GRU", "RNN")
    count, both, first = draw.number(1, 2), draw.flag(), draw.flag()
    chosen = draw.options(bias=draw.flag(), dropout=draw.of(0.0, 0.3) if count > 1 else 0.0)
    narrow = draw.of(0, 0, 2) if kind == "LSTM" else 0
    chosen += f", proj_size={narrow}" if narrow else ""
    chosen += draw.options(nonlinearity=draw.of("tanh", "relu")) if kind == "RNN" else ""
    layer = f"nn.{kind}(5, 3, {count}, bidirectional={both}, batch_first={first}{chosen})"
    batch, length, unbatched = draw.number(1, 3), draw.number(1, 4), draw.number(0, 3) == 0
    x = draw.normal(length, 5) if unbatched else draw.normal(*((batch, length) if first else (length, batch)), 5)
    if draw.flag():
        return Case("self.layer(x)", {"x": x}, layer)
    lead = (count * (2 if both else 1), *(() if unbatched else (batch,)))
    states = {"h": draw.normal(*lead, narrow or 3)} | ({"c": draw.normal(*lead, 3)} if kind == "LSTM" else {})
    given = "(h, c)" if kind == "LSTM" else "h"
    body = draw.of(f"self.layer(x, {given})", f"out, _ = self.layer(x, hx={given})\nreturn out")
    return Case(body, {"x": x, **states}, layer)


def _cell(draw: Draw) -> Case:
    kind = draw.of("LSTM", "GRU", "RNN")
    x = draw.normal(draw.number(1, 3), 5)
    chosen = draw.options(bias=draw.flag())
    chosen += draw.options(nonlinearity=draw.of("tanh", "relu")) if kind == "RNN" else ""
    layer = f"nn.{kind}Cell(5, 3{chosen})"
    if draw.flag():
        return Case("self.layer(x)", {"x": x}, layer)
    states = {"h": draw.normal(len(x), 3)} | ({"c": draw.normal(len(x), 3)} if kind == "LSTM" else {})
    return Case(f"self.layer(x, {'(h, c)' if kind == 'LSTM' else 'h'})", {"x": x, **states}, layer)


def _attention(draw: Draw) -> Case:
    first, unbatched, own = draw.flag(), draw.number(0, 4) == 0, draw.flag()
    batch, length, source = draw.numbers(3, 2, 4)
    widths = (8, 8) if own else draw.numbers(2, 5, 8)
    chosen = draw.options(
        bias=draw.flag(), add_bias_kv=draw.flag(), add_zero_attn=draw.flag(), dropout=draw.of(0.0, 0.2)
    )
    layer = f"nn.MultiheadAttention(8, 2, batch_first={first}, kdim={widths[0]}, vdim={widths[1]}{chosen})"

    def tokens(count: int, width: int) -> np.ndarray:
        if unbatched:
            return draw.normal(count, width)
        return draw.normal(*((batch, count) if first else (count, batch)), width)

    arrays = {"q": tokens(length, 8), "k": tokens(source, widths[0]), "v": tokens(source, widths[1])}
    given = draw.options(need_weights=draw.flag(), average_attn_weights=draw.flag())
    if draw.flag():
        padding = np.zeros((source,) if unbatched else (batch, source), np.bool_)
        padding[..., -1] = True
        arrays["padding"] = padding if draw.flag() else padding.astype(np.float32) * -3
        given += ", key_padding_mask=padding"
    if draw.flag():
        per_head = not unbatched and draw.flag()
        shape = (batch * 2, length, source) if per_head else (length, source)
        mask = draw.normal(*shape)
        arrays["mask"] = (mask > 0.7) if draw.flag() else mask
        if arrays["mask"].dtype == np.bool_:
            arrays["mask"][..., 0] = False
        given += ", attn_mask=mask"
    if "padding" in arrays and "mask" in arrays and arrays["padding"].dtype != arrays["mask"].dtype:
        arrays["padding"] = arrays["padding"].astype(arrays["mask"].dtype)
    return Case(
        f"out, weights = self.layer(q, k, v{given})\nreturn (out,) if weights is None else (out, weights)",
        arrays,
        layer,
    )


_TRANSFORMER = """
tokens TransformerEncoderLayer(8, 2, 16, {0.0|0.1, "gelu"|dropout=0.2, norm_first=True|0.1, F.gelu, 1e-3, True, True|
    0.0, batch_first=True, bias=False|dropout=0.1, activation=F.silu})
tokens TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, {batch_first=True), 2, nn.LayerNorm(8)|
    norm_first=True), num_layers=2|), 1})
"""


def _transformers(draws: int) -> Iterator[Case]:
    for case in layers(_TRANSFORMER, draws, 76):
        yield Case(case.body, case.arrays, case.layer, tolerance=1e-4)
    for i in range(3 * draws):
        draw = Draw((77, i))
        first = draw.flag()
        lead = (2, 3) if first else (3, 2)
        arrays = {"x": draw.normal(*lead, 8), "y": draw.normal(*lead, 8), "m": draw.normal(3, 3)}
        layer = f"nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first={first}, norm_first={draw.flag()})"
        yield Case(f"self.layer(x, y{draw.of('', ', tgt_mask=m', ', memory_mask=m')})", arrays, layer, tolerance=1e-4)
        stack = f"nn.TransformerDecoder({layer}, 2{draw.of('', ', nn.LayerNorm(8)')})"
        yield Case("self.layer(x, y, tgt_mask=m)", arrays, stack, tolerance=1e-4)
        whole = f"nn.Transformer(8, 2, 1, 1, 16, 0.0, batch_first={first})"
        masks = draw.of("", ", tgt_mask=nn.Transformer.generate_square_subsequent_mask(3)", ", src_mask=m")
        yield Case(f"self.layer(x, y{masks})", arrays, whole, tolerance=1e-4)


def _embeddings(draws: int) -> Iterator[Case]:
    for i in range(6 * draws):
        draw = Draw((78, i))
        index = draw.index(6, 3, 4)
        chosen = draw.options(padding_idx=draw.of(0, 2, -1))
        yield Case("self.layer(n)", {"n": index}, f"nn.Embedding(6, 3{chosen})")
        mode = ("sum", "mean", "max")[i % 3]
        bag = f"nn.EmbeddingBag(6, 3, mode={mode!r}{chosen})"
        yield Case("self.layer(n)", {"n": index}, bag)
        flat, offsets = index.reshape(-1), np.array([0, 3, 3, 7])
        yield Case("self.layer(n, o)", {"n": flat, "o": offsets}, bag)
        last = f", mode={mode!r}, include_last_offset=True"
        arrays = {"n": flat, "w": draw.normal(6, 3), "o": np.array([0, 5, 12])}
        yield Case(f"F.embedding_bag(n, w, o{last})", arrays)
        if mode == "sum":
            arrays = {"n": index, "w": draw.normal(6, 3), "s": draw.normal(3, 4)}
            yield Case("F.embedding_bag(n, w, per_sample_weights=s, mode='sum')", arrays)
    yield Case(
        "self.layer(n)", {"n": np.array([0, 2])}, "nn.Embedding.from_pretrained(torch.arange(6.0).reshape(3, 2))"
    )
    yield Case("self.layer(n)", {"n": np.array([0, 2])}, "nn.Embedding(3, 2, max_norm=1.0)", refused="R10")


_CONTAINERS = (
    "nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))(x)",
    "nn.ModuleList([nn.Identity(), nn.ReLU()])[1](x)",
    "nn.ModuleDict({'a': nn.ReLU(), 'b': nn.Identity()})['b'](x)",
    "nn.Bilinear(4, 4, 3)(x, x)",
    "nn.Bilinear(in1_features=4, in2_features=4, out_features=2, bias=False)(x, x)",
)

_HELD = (
    "nn.ParameterList([nn.Parameter(torch.ones(4)), nn.Parameter(torch.zeros(4))])",
    "nn.ParameterDict({'0': nn.Parameter(torch.ones(4)), '1': nn.Parameter(torch.zeros(4))})",
)


def _containers() -> Iterator[Case]:
    x = Draw((79,)).normal(2, 4)
    for text in _CONTAINERS:
        made, _, call = text.rpartition("(")
        subscript = made.rfind("[") if made.endswith("]") and made.startswith("nn.Module") else len(made)
        yield Case(f"self.layer{made[subscript:]}({call}", {"x": x}, made[:subscript])
    for i, held in enumerate(_HELD):
        keys = ("'0'", "'1'") if i else ("0", "1")
        yield Case(f"x * self.layer[{keys[0]}] + self.layer[{keys[1]}]", {"x": x}, held)
    yield Case("self.layer(x)", {"x": x}, "nn.Module() if False else nn.Identity()")
    yield Case("x * self.layer", {"x": x}, "nn.Parameter(torch.randn(4))")
    for call in ("add(x, x)", "mul(x, x)", "cat([x, x], 1)", "add_relu(x, -x)", "add_scalar(x, 2.0)", "matmul(x, x.T)"):
        yield Case(f"self.layer.{call}", {"x": x}, "torch.ao.nn.quantized.FloatFunctional()")
    for stub in ("QuantStub", "DeQuantStub"):
        yield Case("self.layer(x)", {"x": x}, f"torch.ao.quantization.{stub}()")
    yield Case("self.layer(x)", {"x": x[:, :, None]}, "Rearrange('a (b c) d -> a b (c d)', c=2)")
    yield Case("self.layer(x)", {"x": x}, "Reduce('a (b c) -> a b', 'mean', c=2)")


def cases(draws: int) -> Iterator[Case]:
    yield from layers(_NORMALIZATION, draws, 71)
    yield from layers(_SAMPLED, draws, 72)
    yield from _embeddings(draws)
    yield from _containers()


def functions(draws: int) -> Iterator[Case]:
    yield from _grids(_FUNCTIONS, draws, 73)


def sequences(draws: int) -> Iterator[Case]:
    for i in range(20 * draws):
        yield _recurrent(Draw((74, i)))
        yield _attention(Draw((75, i)))
    for i in range(8 * draws):
        yield _cell(Draw((80, i)))
    yield from _transformers(draws)
