"""`functional` against `torch.nn.functional` over whole grids of parameters, where combinations of them matter."""

import itertools

import jax
import numpy as np
import pytest

from translators.runtime import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional


def _grid(**axes):
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


ACTIVATIONS = [
    ("relu", {}),
    ("relu6", {}),
    ("hardtanh", {"min_val": -0.5, "max_val": 0.7}),
    ("leaky_relu", {"negative_slope": 0.2}),
    ("elu", {"alpha": 0.7}),
    ("selu", {}),
    ("celu", {"alpha": 0.6}),
    ("gelu", {}),
    ("gelu", {"approximate": "tanh"}),
    ("silu", {}),
    ("mish", {}),
    ("hardswish", {}),
    ("hardsigmoid", {}),
    ("softplus", {"beta": 2.0, "threshold": 1.0}),
    ("softplus", {}),
    ("softsign", {}),
    ("tanhshrink", {}),
    ("hardshrink", {"lambd": 0.3}),
    ("softshrink", {"lambd": 0.3}),
    ("threshold", {"threshold": 0.1, "value": 2.0}),
    ("glu", {"dim": 1}),
    ("logsigmoid", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("softmax", {"dim": 1}),
    ("log_softmax", {"dim": -1}),
    ("softmin", {"dim": 0}),
    ("rrelu", {}),
]


@pytest.mark.parametrize(("name", "options"), ACTIVATIONS)
def test_activation(name, options, same, normal):
    x = 4 * normal(2, 4, 3, 5)
    x[0, 0, 0] = [0.0, 6.0, 3.0, -3.0, 30.0]
    # XLA and PyTorch agree on the gradient of relu6(x + 3) only away from its corners.
    if name in ("hardswish", "hardsigmoid"):
        x[0, 0, 0] = 1
    kwargs = {"tolerance": 1e-4} if name == "mish" else {}
    same(lambda x: getattr(F, name)(x, **options), lambda x: getattr(TF, name)(x, **options), x, **kwargs)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3, 4), (2, 3, 4, 5)])
def test_softmax_without_dim_follows_the_legacy_rule(shape, same, normal):
    with pytest.warns(UserWarning, match="Implicit dimension"):
        same(lambda x: F.softmax(x), lambda x: TF.softmax(x), normal(*shape))


CONVOLUTIONS = [
    {"inputs": (2, 4, 9), "weight": (6, 4, 3), "stride": 2, "padding": 1},
    {"inputs": (2, 4, 9), "weight": (6, 2, 3), "groups": 2, "dilation": 2},
    {"inputs": (2, 4, 9, 8), "weight": (6, 4, 3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)},
    {"inputs": (2, 4, 9, 8), "weight": (4, 1, 3, 3), "groups": 4, "padding": 1},
    {"inputs": (2, 4, 9, 8), "weight": (8, 1, 5, 3), "groups": 4, "padding": (2, 1), "stride": 2},
    {"inputs": (2, 4, 9, 8), "weight": (4, 1, 3, 3), "groups": 4, "padding": 2, "dilation": 2, "stride": (1, 2)},
    {"inputs": (1, 4, 17, 16), "weight": (4, 1, 9, 9), "groups": 4, "padding": 4},
    {"inputs": (2, 8, 9, 8), "weight": (12, 2, 3, 3), "groups": 4, "padding": 1},
    {"inputs": (2, 4, 8, 8), "weight": (4, 4, 4, 4), "padding": "same"},
    {"inputs": (2, 4, 8, 8), "weight": (4, 4, 3, 3), "padding": "same", "dilation": 3},
    {"inputs": (2, 4, 8, 8), "weight": (4, 4, 3, 3), "padding": "valid"},
    {"inputs": (4, 8, 8), "weight": (4, 4, 3, 3), "padding": 1},
    {"inputs": (1, 2, 5, 6, 4), "weight": (4, 2, 3, 3, 2), "padding": (1, 1, 0), "stride": (1, 2, 1)},
    {"inputs": (1, 4, 5, 6, 4), "weight": (4, 1, 3, 3, 2), "groups": 4},
    {"inputs": (1, 4, 2000), "weight": (6, 2, 5), "groups": 2, "padding": 2},
    {"inputs": (2, 2, 4, 70), "weight": (4, 1, 3, 7), "groups": 2, "padding": (1, 20), "stride": 2, "dilation": (1, 5)},
    {"inputs": (1, 2, 3, 99), "weight": (2, 1, 1, 2), "groups": 2, "stride": (1, 3)},
    {"inputs": (2, 3, 13, 9), "weight": (5, 3, 4, 3), "stride": (4, 3)},
    {"inputs": (2, 3, 12), "weight": (4, 3, 3), "stride": 3},
    {"inputs": (1, 2, 5, 6, 7), "weight": (4, 2, 2, 3, 5), "stride": (2, 3, 5)},
    {"inputs": (1, 2, 8, 8), "weight": (4, 2, 4, 4), "stride": 4, "padding": 2},
]


@pytest.mark.filterwarnings("ignore:Using padding=.same")
@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_convolution(case, platform, same, normal):
    options = {k: v for k, v in case.items() if k not in ("inputs", "weight")}
    name = f"conv{len(case['weight']) - 2}d"
    arrays = normal(*case["inputs"]), normal(*case["weight"]), normal(case["weight"][0])
    token = F.convolution.platform.set(platform)
    try:
        same(lambda *a: getattr(F, name)(*a, **options), lambda *a: getattr(TF, name)(*a, **options), *arrays)
    finally:
        F.convolution.platform.reset(token)


@pytest.mark.parametrize("groups", [2, 96])
def test_a_grouped_convolution_is_one_product_on_a_cpu(groups):
    """However many groups: XLA would loop over them, and a convolution for each takes long to compile."""
    token = F.convolution.platform.set("cpu")
    try:
        x, weight = np.zeros((2, 96, 16, 16), np.float32), np.zeros((96, 96 // groups, 7, 7), np.float32)
        text = jax.jit(lambda x, w: F.conv2d(x, w, padding=3, groups=groups)).lower(x, weight).as_text()
    finally:
        F.convolution.platform.reset(token)
    assert "stablehlo.convolution" not in text
    assert len(text.splitlines()) < 80


def test_patches_are_one_product_on_a_cpu():
    """XLA computes the gradient of the convolution in loops, a hundred times slower."""
    token = F.convolution.platform.set("cpu")
    try:
        x, weight = np.zeros((2, 3, 32, 32), np.float32), np.zeros((8, 3, 16, 16), np.float32)
        text = jax.jit(jax.grad(lambda x, w: F.conv2d(x, w, stride=16).sum())).lower(x, weight).as_text()
    finally:
        F.convolution.platform.reset(token)
    assert "stablehlo.convolution" not in text


TRANSPOSED = [
    {"inputs": (2, 4, 5), "weight": (4, 3, 3), "stride": 2},
    {"inputs": (2, 4, 5, 6), "weight": (4, 3, 3, 3), "stride": 2, "padding": 1, "output_padding": 1},
    {"inputs": (2, 4, 5, 6), "weight": (4, 2, 2, 4), "stride": (2, 3), "groups": 2, "dilation": (2, 1)},
    {"inputs": (2, 4, 5, 6), "weight": (4, 1, 4, 4), "stride": 2, "padding": 1, "groups": 4},
    {"inputs": (4, 5, 6), "weight": (4, 3, 1, 1), "padding": 0},
    {"inputs": (1, 2, 3, 4, 3), "weight": (2, 3, 2, 2, 2), "stride": 2},
]


@pytest.mark.parametrize("case", TRANSPOSED)
@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_transposed_convolution(case, platform, same, normal):
    options = {k: v for k, v in case.items() if k not in ("inputs", "weight")}
    name = f"conv_transpose{len(case['weight']) - 2}d"
    outs = case["weight"][1] * options.get("groups", 1)
    arrays = normal(*case["inputs"]), normal(*case["weight"]), normal(outs)
    token = F.convolution.platform.set(platform)
    try:
        same(lambda *a: getattr(F, name)(*a, **options), lambda *a: getattr(TF, name)(*a, **options), *arrays)
    finally:
        F.convolution.platform.reset(token)


POOLS = [
    *_grid(kernel_size=[2, (3, 2)], stride=[None, 2, (1, 3)], padding=[0, 1], ceil_mode=[False, True]),
    *_grid(kernel_size=[3], stride=[4, (2, 3)], padding=[0, 1], ceil_mode=[False, True]),
]


@pytest.mark.parametrize("options", POOLS)
@pytest.mark.parametrize("shape", [(2, 3, 7, 10), (3, 8, 9)])
def test_pooling(options, shape, same, normal):
    x = normal(*shape)
    same(lambda x: F.max_pool2d(x, **options), lambda x: TF.max_pool2d(x, **options), x)
    for include, divisor in ((True, None), (False, None), (True, 3)):
        more = options | {"count_include_pad": include, "divisor_override": divisor}
        same(lambda x, o=more: F.avg_pool2d(x, **o), lambda x, o=more: TF.avg_pool2d(x, **o), x)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("axes", [1, 3])
def test_pooling_over_other_numbers_of_axes(axes, ceil_mode, same, normal):
    x = normal(2, 3, *(7, 6, 5)[:axes])
    for name, options in (("max_pool", {"padding": 1}), ("avg_pool", {"padding": 1, "count_include_pad": False})):
        ours, theirs = getattr(F, f"{name}{axes}d"), getattr(TF, f"{name}{axes}d")
        call = dict(kernel_size=3, stride=2, ceil_mode=ceil_mode, **options)
        same(lambda x, f=ours, c=call: f(x, **c), lambda x, f=theirs, c=call: f(x, **c), x)


def test_dilated_and_power_pooling(same, normal):
    x = normal(2, 3, 9, 8)
    for options in _grid(dilation=[2, (1, 3)], padding=[0, 1], ceil_mode=[False, True], stride=[1, 2]):
        same(lambda x, o=options: F.max_pool2d(x, 2, **o), lambda x, o=options: TF.max_pool2d(x, 2, **o), x)
    same(lambda x: F.lp_pool2d(abs(x), 2, 3, 2), lambda x: TF.lp_pool2d(abs(x), 2, 3, 2), x)


@pytest.mark.parametrize("size", [1, 2, 4, 5, (3, 7), (None, 2), (9, 12)])
def test_adaptive_pooling(size, same, normal):
    x = normal(2, 3, 8, 10)
    same(lambda x: F.adaptive_avg_pool2d(x, size), lambda x: TF.adaptive_avg_pool2d(x, size), x)
    same(lambda x: F.adaptive_max_pool2d(x, size), lambda x: TF.adaptive_max_pool2d(x, size), x)


def test_adaptive_pooling_over_other_numbers_of_axes(same, normal):
    for name in ("adaptive_avg_pool", "adaptive_max_pool"):
        for axes in (1, 3):
            ours, theirs = getattr(F, f"{name}{axes}d"), getattr(TF, f"{name}{axes}d")
            same(lambda x, f=ours: f(x, 3), lambda x, f=theirs: f(x, 3), normal(2, 3, *(7, 6, 5)[:axes]))


INTERPOLATIONS = [
    *_grid(mode=["nearest", "nearest-exact", "area"], size=[(5, 7), 12, (14, 18), (3, 20)]),
    *_grid(mode=["nearest", "nearest-exact"], scale_factor=[2, 0.5, 1.7, (0.6, 3.0)]),
    *_grid(mode=["bilinear", "bicubic"], size=[(5, 7), 12, (14, 18), (7, 9)], align_corners=[False, True]),
    *_grid(
        mode=["bilinear", "bicubic"],
        scale_factor=[2, 0.5, 1.7],
        align_corners=[False],
        recompute_scale_factor=[None, True],
    ),
]


@pytest.mark.parametrize("options", INTERPOLATIONS)
def test_interpolate(options, same, normal):
    same(lambda x: F.interpolate(x, **options), lambda x: TF.interpolate(x, **options), normal(2, 3, 7, 9))


def test_interpolate_over_other_numbers_of_axes(same, normal):
    for shape, mode in (((2, 3, 7), "linear"), ((2, 3, 7), "nearest"), ((1, 2, 3, 4, 5), "trilinear")):
        call = {"scale_factor": 1.5, "mode": mode}
        same(lambda x, c=call: F.interpolate(x, **c), lambda x, c=call: TF.interpolate(x, **c), normal(*shape))


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_grid_sample(mode, padding_mode, align_corners, same, normal):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    same(
        lambda *a: F.grid_sample(*a, **options),
        lambda *a: TF.grid_sample(*a, **options),
        normal(2, 3, 5, 6),
        0.9 * normal(2, 4, 7, 2),
    )
    theta = normal(2, 2, 3)
    size = (2, 3, 4, 5)
    same(lambda t: F.affine_grid(t, size, align_corners), lambda t: TF.affine_grid(t, size, align_corners), theta)


PADS = [
    *_grid(
        pad=[(1, 2), (1, 2, 3, 0), (-1, 2), (0, -2, 1, 1), (0, 0, 0, 0, 1, 2)], mode=["constant"], value=[None, 1.5]
    ),
    *_grid(pad=[(1, 2), (1, 2, 3, 0)], mode=["reflect", "replicate", "circular"]),
    *_grid(pad=[(2, -1, 0, 1)], mode=["reflect", "replicate"]),
]


@pytest.mark.parametrize("options", PADS)
def test_pad(options, same, normal):
    x = normal(2, 3, 6) if options["mode"] != "constant" and len(options["pad"]) == 2 else normal(2, 3, 5, 6)
    same(lambda x: F.pad(x, **options), lambda x: TF.pad(x, **options), x)


@pytest.mark.parametrize("options", _grid(kernel_size=[2, (3, 2)], dilation=[1, 2], padding=[0, 1], stride=[1, 2]))
def test_unfold_and_fold(options, same, normal):
    x = normal(2, 3, 7, 8)
    same(lambda x: F.unfold(x, **options), lambda x: TF.unfold(x, **options), x)
    columns = TF.unfold(torch.tensor(x), **options).numpy()
    same(lambda c: F.fold(c, (7, 8), **options), lambda c: TF.fold(c, (7, 8), **options), columns)


def test_normalisations(same, normal):
    x, w, b = normal(3, 6, 5, 4), normal(6), normal(6)
    far = x + 1000
    for y in (x, far):
        tolerance = 2e-5 if y is x else 2e-2
        same(
            lambda x, w, b: F.group_norm(x, 3, w, b),
            lambda x, w, b: TF.group_norm(x, 3, w, b),
            y,
            w,
            b,
            tolerance=tolerance,
        )
        same(lambda x: F.layer_norm(x, (5, 4)), lambda x: TF.layer_norm(x, (5, 4)), y, tolerance=tolerance)
        same(lambda x: F.instance_norm(x), lambda x: TF.instance_norm(x), y, tolerance=tolerance)
    v, c = normal(4), normal(4)
    same(lambda x, v, c: F.layer_norm(x, (4,), v, c, 1e-3), lambda x, v, c: TF.layer_norm(x, (4,), v, c, 1e-3), x, v, c)
    same(lambda x, v: F.rms_norm(x, (4,), v), lambda x, v: TF.rms_norm(x, (4,), v), x, v)
    same(lambda x, v: F.rms_norm(x, (4,), v, 0.1), lambda x, v: TF.rms_norm(x, (4,), v, 0.1), x, v)
    same(lambda x: F.local_response_norm(x, 3, 0.5), lambda x: TF.local_response_norm(x, 3, 0.5), x)
    same(lambda x: F.local_response_norm(x, 4, 0.5), lambda x: TF.local_response_norm(x, 4, 0.5), x)
    for options in _grid(p=[1, 2, 3.0], dim=[1, -1, (1, 2)]):
        same(lambda x, o=options: F.normalize(x, **o), lambda x, o=options: TF.normalize(x, **o), x)
    m, s = normal(6), abs(normal(6)) + 0.5
    tm, ts = torch.tensor(m), torch.tensor(s)
    same(lambda x, w, b: F.batch_norm(x, m, s, w, b), lambda x, w, b: TF.batch_norm(x, tm, ts, w, b), x, w, b)
    same(lambda x: F.batch_norm(x, None, None, training=True), lambda x: TF.batch_norm(x, None, None, training=True), x)


def test_scaled_dot_product_attention(same, normal):
    q, k, v = normal(2, 4, 5, 8), normal(2, 4, 6, 8), normal(2, 4, 6, 3)
    boolean = np.random.default_rng(0).random((5, 6)) > 0.3
    boolean[:, 0] = True

    def check(*inputs, **options):
        ours, theirs = F.scaled_dot_product_attention, TF.scaled_dot_product_attention
        same(lambda *a: ours(*a, **options), lambda *a: theirs(*a, **options), *inputs)

    check(q, k, v)
    check(q, k, v, scale=0.2)
    check(q, k, v, boolean)
    check(q, k, v, normal(5, 6))
    check(q, k, v, normal(2, 1, 5, 6))
    check(q, k, v, is_causal=True)
    check(q, k[:, :2], v[:, :2], enable_gqa=True)


def test_linear_maps_embeddings_and_similarities(same, normal):
    x, y = normal(3, 5), normal(3, 4)
    same(F.linear, TF.linear, x, normal(2, 5), normal(2))
    same(F.linear, TF.linear, normal(2, 3, 5), normal(2, 5))
    same(F.bilinear, TF.bilinear, x, y, normal(2, 5, 4), normal(2))
    same(F.prelu, TF.prelu, normal(2, 4, 3), normal(4))
    index = np.array([[0, 2], [1, 1]])
    same(
        lambda w, i: F.embedding(i, w, padding_idx=1),
        lambda w, i: TF.embedding(i, w, padding_idx=1),
        normal(3, 4),
        index,
    )
    same(lambda i: F.one_hot(i, 4), lambda i: TF.one_hot(i, 4), index, gradient=False)
    same(F.cosine_similarity, TF.cosine_similarity, x, normal(3, 5))
    same(F.pairwise_distance, TF.pairwise_distance, x, normal(3, 5))
