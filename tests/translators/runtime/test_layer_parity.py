"""Layers against `torch.nn`: same constructor call, weights copied by name, evaluation, training and statistics."""

import jax
import numpy as np
import pytest
from flax import nnx

from translators.runtime import nn
from translators.runtime.state import load_state_dict, state_dict

torch = pytest.importorskip("torch")

IMAGE, SEQUENCE, TOKENS = (2, 4, 7, 8), (2, 4, 9), (3, 5, 8)

PLAIN = [
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Mish",
    "Hardswish",
    "Hardsigmoid",
    "Sigmoid",
    "Tanh",
    "Softsign",
    "Tanhshrink",
    "LogSigmoid",
    "GELU",
    "ELU",
    "CELU",
    "LeakyReLU",
    "Hardtanh",
    "Softplus",
    "Softshrink",
    "Hardshrink",
    "Softmax2d",
    "Identity",
    "Flatten",
]

LAYERS = [
    (IMAGE, "Conv2d(4, 6, 3)"),
    (IMAGE, "Conv2d(4, 8, (3, 2), (2, 1), 1, 2, 2, False)"),
    (IMAGE, "Conv2d(4, 4, 3, padding='same', groups=4)"),
    (IMAGE, "Conv2d(4, 6, 3, padding=(1, 2), padding_mode='reflect')"),
    (IMAGE, "Conv2d(4, 6, 3, padding=(1, 2), padding_mode='replicate')"),
    (IMAGE, "Conv2d(4, 6, 3, padding=(1, 2), padding_mode='circular')"),
    (IMAGE, "ConvTranspose2d(4, 6, 4, 2, 1)"),
    (IMAGE, "ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2, bias=False, dilation=2)"),
    (SEQUENCE, "Conv1d(4, 6, 3, padding=1)"),
    (SEQUENCE, "ConvTranspose1d(4, 6, 3, 2)"),
    ((1, 2, 4, 5, 6), "Conv3d(2, 4, 3, padding=1)"),
    (TOKENS, "Linear(8, 3)"),
    (TOKENS, "Linear(8, 3, bias=False)"),
    (IMAGE, "BatchNorm2d(4)"),
    (IMAGE, "BatchNorm2d(4, eps=0.01, momentum=0.3)"),
    (IMAGE, "BatchNorm2d(4, affine=False)"),
    (IMAGE, "BatchNorm2d(4, track_running_stats=False)"),
    (IMAGE, "BatchNorm2d(4, momentum=None)"),
    (SEQUENCE, "BatchNorm1d(4)"),
    ((5, 4), "BatchNorm1d(4)"),
    (IMAGE, "InstanceNorm2d(4)"),
    (IMAGE, "InstanceNorm2d(4, affine=True, track_running_stats=True)"),
    (SEQUENCE, "InstanceNorm1d(4)"),
    (IMAGE, "GroupNorm(2, 4)"),
    (TOKENS, "GroupNorm(5, 5, affine=False)"),
    (TOKENS, "LayerNorm(8)"),
    (TOKENS, "LayerNorm((5, 8), 1e-3, bias=False)"),
    (TOKENS, "LayerNorm(8, elementwise_affine=False)"),
    (TOKENS, "RMSNorm(8)"),
    (IMAGE, "LocalResponseNorm(3)"),
    (IMAGE, "MaxPool2d(3, 2, 1)"),
    (IMAGE, "MaxPool2d(2, ceil_mode=True)"),
    (IMAGE, "AvgPool2d(3, 2, 1, True, False)"),
    (IMAGE, "AvgPool2d(2, divisor_override=3)"),
    (SEQUENCE, "AvgPool1d(3, 2, 1)"),
    (SEQUENCE, "MaxPool1d(2)"),
    (IMAGE, "LPPool2d(2, 2)"),
    (IMAGE, "AdaptiveAvgPool2d((3, None))"),
    (IMAGE, "AdaptiveMaxPool2d(3)"),
    (SEQUENCE, "AdaptiveAvgPool1d(4)"),
    (IMAGE, "PReLU(4)"),
    (IMAGE, "PReLU()"),
    *((IMAGE, f"{name}()") for name in PLAIN),
    (IMAGE, "GELU('tanh')"),
    (IMAGE, "LeakyReLU(0.2)"),
    (IMAGE, "Threshold(0.1, 3.0)"),
    (IMAGE, "GLU(1)"),
    (IMAGE, "Softmax(1)"),
    (IMAGE, "LogSoftmax(-1)"),
    (IMAGE, "Softmin(dim=2)"),
    (IMAGE, "Dropout(0.0)"),
    (IMAGE, "ZeroPad2d((1, 2, 0, 3))"),
    (IMAGE, "ConstantPad2d(1, 2.5)"),
    (IMAGE, "ReflectionPad2d(2)"),
    (IMAGE, "ReplicationPad2d((1, 0, 2, 1))"),
    (IMAGE, "CircularPad2d(1)"),
    (SEQUENCE, "ReflectionPad1d(2)"),
    (IMAGE, "Flatten(2)"),
    (IMAGE, "Unflatten(1, (2, 2))"),
    (IMAGE, "PixelShuffle(2)"),
    ((2, 3, 4, 6), "PixelUnshuffle(2)"),
    (IMAGE, "ChannelShuffle(2)"),
    (IMAGE, "Upsample(scale_factor=2)"),
    (IMAGE, "Upsample((9, 5), mode='bilinear', align_corners=True)"),
    (IMAGE, "UpsamplingBilinear2d(scale_factor=2)"),
    (IMAGE, "UpsamplingNearest2d((9, 16))"),
    (IMAGE, "Unfold(3, padding=1)"),
    ((2, 8, 12), "Fold((4, 5), 2)"),
    (IMAGE, "Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))"),
    (TOKENS, "TransformerEncoderLayer(8, 2, 16, 0.0)"),
    (TOKENS, "TransformerEncoderLayer(8, 2, 16, 0.0, 'gelu', 1e-3, True, True)"),
    (TOKENS, "TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2, nn.LayerNorm(8))"),
    (TOKENS, "LSTM(8, 6)"),
    (TOKENS, "LSTM(8, 6, 2, batch_first=True, bidirectional=True)"),
    ((5, 8), "LSTM(8, 6, bias=False)"),
    (TOKENS, "GRU(8, 6, num_layers=2, bidirectional=True)"),
    (TOKENS, "RNN(8, 6, 1, 'relu')"),
    (TOKENS, "RNN(8, 6, batch_first=True)"),
    ((5, 8), "LSTMCell(8, 6)"),
    ((5, 8), "GRUCell(8, 6)"),
]  # fmt: skip


def _pair(call):
    """The layer in PyTorch with everything drawn at random, and ours with the same weights."""
    theirs = eval(f"nn.{call}", {"nn": torch.nn})
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for name, tensor in theirs.state_dict().items():
            if tensor.is_floating_point():
                shape = tuple(tensor.shape)
                drawn = rng.random(shape) + 0.5 if "var" in name else 0.4 * rng.standard_normal(shape)
                tensor.copy_(torch.as_tensor(drawn, dtype=tensor.dtype))
    ours = eval(f"nn.{call}", {"nn": nn})
    load_state_dict(ours, {name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize(("shape", "call"), LAYERS)
def test_layer(shape, call, same, normal):
    ours, theirs = _pair(call)
    x = normal(*shape)
    stateful = "Norm2d" in call or "Norm1d" in call
    for training in (False, True) if stateful else (False,):
        graph, state = nnx.split(ours.train(training))
        theirs.train(training)
        after = {}

        def run(x, graph=graph, state=state, after=after):
            model = nnx.merge(graph, state, copy=True)
            return model(x)

        same(run, theirs, x)
        if training:

            @jax.jit
            def step(x, graph=graph, state=state):
                model = nnx.merge(graph, state, copy=True)
                model(x)
                return nnx.split(model)[1]

            after = state_dict(nnx.merge(graph, step(x)))
            for name, tensor in theirs.state_dict().items():
                np.testing.assert_allclose(after[name], tensor.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    "options",
    ["", "bias=False", "add_bias_kv=True, add_zero_attn=True", "kdim=6, vdim=5"],
)
def test_multihead_attention(batch_first, options, same, normal):
    ours, theirs = _pair(f"MultiheadAttention(8, 2, batch_first={batch_first}, {options})")
    theirs.eval()
    widths = (8, 6, 5) if "kdim" in options else (8, 8, 8)
    query, key, value = normal(3, 4, 8), normal(3, 4, widths[1]), normal(3, 4, widths[2])
    length, batch = (4, 3) if batch_first else (3, 4)
    padding = np.zeros((batch, length), np.bool_)
    padding[0, -1] = True
    causal = np.triu(np.ones((length, length), np.bool_), 1)
    graph, state = nnx.split(ours.eval())

    def check(torch_options, **options):
        def run(q, k, v):
            return [x for x in nnx.merge(graph, state, copy=True)(q, k, v, **options) if x is not None]

        def run_torch(q, k, v):
            return [x for x in theirs(q, k, v, **torch_options) if x is not None]

        same(run, run_torch, query, key, value)

    check({})
    check({"need_weights": False}, need_weights=False)
    check({"average_attn_weights": False}, average_attn_weights=False)
    check({"attn_mask": torch.tensor(causal)}, attn_mask=causal)
    check({"key_padding_mask": torch.tensor(padding)}, key_padding_mask=padding)
    each = normal(batch * 2, length, length)
    check({"attn_mask": torch.tensor(each)}, attn_mask=each)


def test_embedding(same):
    ours, theirs = _pair("Embedding(6, 3, padding_idx=0)")
    index = np.array([[0, 2], [5, 1]])
    same(ours, theirs, index, gradient=False)


def test_every_layer_is_covered():
    covered = {call.split("(")[0] for _, call in LAYERS} | {"MultiheadAttention", "Embedding"}
    containers = {"Module", "Parameter", "Buffer", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
    alike = {name for name in nn.__all__ if name[-2:] in ("1d", "2d", "3d")}
    random = {"AlphaDropout", "RReLU"}
    missing = {name for name in nn.__all__ if name[0].isupper()} - covered - containers - alike - random
    assert not missing - {"Bilinear", "CosineSimilarity", "SyncBatchNorm", "Rearrange", "Reduce"}
