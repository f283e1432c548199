"""The records of our own blocks (primitives.py). Pure data, so that a library opens without JAX."""

from __future__ import annotations

from jnas.library.block import Block, Contract, Parameter

ACTIVATIONS = ("nn.ReLU", "nn.GELU", "nn.SiLU", "nn.Hardswish", "nn.LeakyReLU", "nn.ELU")
WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512)

_IN = Parameter("in_channels", "input width", required=True)
_OUT = Parameter("out_channels", "output width", required=True, domain=WIDTHS)
_CHANNELS = Parameter("channels", "input width", required=True)
_DIM = Parameter("dim", "input width", required=True)
_KERNEL = Parameter("kernel_size", "kernel", 3, domain=(1, 3, 5, 7))
_POOL = Parameter("kernel_size", "kernel", 3, domain=(3, 5))
_STRIDE = Parameter("stride", "stride", 1, domain=(1, 2))
_RELU = Parameter("activation", "module class", "nn.ReLU", domain=ACTIVATIONS)
_RELU6 = Parameter("activation", "module class", "nn.ReLU6", domain=("nn.ReLU6", *ACTIVATIONS))
_GELU = Parameter("activation", "module class", "nn.GELU", domain=ACTIVATIONS)

_WIDENING = Contract(input_width=("in_channels",), output_width="out_channels", stride="stride")
_TOKENS = Contract(layout="NLC", output_layout="NLC", input_width=("dim",))


def _ratio(default: float, *domain: float) -> Parameter:
    return Parameter("ratio", "ratio", default, domain=domain)


OWN_BLOCKS: dict[str, Block] = {
    block.name: block
    for block in (
        Block(
            "jnas.ConvNormAct",
            "convolution",
            (_IN, _OUT, _KERNEL, _STRIDE, Parameter("groups", "heads", 1, domain=(1, 2, 4, 8)), _RELU),
            _WIDENING,
            "Convolution, batch normalisation and activation.",
        ),
        Block(
            "jnas.DepthwiseSeparable",
            "convolution",
            (_IN, _OUT, _KERNEL, _STRIDE, _RELU),
            _WIDENING,
            "Depthwise then pointwise convolution, each with normalisation and activation.",
        ),
        Block(
            "jnas.BasicResidual",
            "residual block",
            (_IN, _OUT, _KERNEL, _STRIDE, _RELU),
            _WIDENING,
            "Two convolutions and a shortcut that is projected where shapes change.",
        ),
        Block(
            "jnas.Bottleneck",
            "residual block",
            (_IN, _OUT, _KERNEL, _STRIDE, _ratio(0.25, 0.125, 0.25, 0.5, 1.0), _RELU),
            _WIDENING,
            "Pointwise, spatial and pointwise convolution with a shortcut.",
        ),
        Block(
            "jnas.InvertedResidual",
            "residual block",
            (
                _IN,
                _OUT,
                _KERNEL,
                _STRIDE,
                _ratio(4.0, 1.0, 2.0, 3.0, 4.0, 6.0),
                Parameter("squeeze_excite", "flag", False, domain=(False, True)),
                _RELU6,
            ),
            _WIDENING,
            "Expanding pointwise, depthwise and projecting pointwise convolution with a shortcut.",
        ),
        Block(
            "jnas.SqueezeExcite",
            "channel attention",
            (_CHANNELS, _ratio(0.25, 0.0625, 0.125, 0.25, 0.5), _RELU),
            Contract(input_width=("channels",)),
            "Channels gated by an MLP of their means.",
        ),
        Block("jnas.MaxPool", "pooling", (_POOL, _STRIDE), Contract(stride="stride"), "Max pooling."),
        Block("jnas.AvgPool", "pooling", (_POOL, _STRIDE), Contract(stride="stride"), "Average pooling."),
        Block(
            "jnas.PatchMerging",
            "downsampling",
            (_IN, _OUT),
            Contract(
                input_width=("in_channels",), output_width="out_channels", reduction=2, size_multiple=2, minimum_size=2
            ),
            "Non-overlapping 2 x 2 patches, normalised and projected: halves height and width.",
        ),
        Block(
            "jnas.BatchNorm",
            "normalisation",
            (_CHANNELS,),
            Contract(input_width=("channels",)),
            "Batch normalisation.",
        ),
        Block(
            "jnas.LayerNorm",
            "normalisation",
            (_CHANNELS,),
            Contract(layout="NHWC", output_layout="NHWC", input_width=("channels",)),
            "Layer normalisation over channels.",
        ),
        Block("jnas.Activation", "activation", (_RELU,), Contract(), "An activation function."),
        Block(
            "jnas.ChannelShuffle",
            "other",
            (Parameter("groups", "heads", 2, domain=(2, 4, 8)),),
            Contract(width_multiple=2),
            "Channels of several groups interleaved.",
        ),
        Block(
            "jnas.Mlp",
            "mlp",
            (_DIM, _ratio(4.0, 1.0, 2.0, 3.0, 4.0), _GELU),
            _TOKENS,
            "Normalised residual MLP over channels.",
        ),
        Block(
            "jnas.SelfAttention",
            "attention",
            (_DIM, Parameter("heads", "heads", 4, domain=(1, 2, 4, 8))),
            Contract(layout="NLC", output_layout="NLC", input_width=("dim",), width_multiple=4),
            "Normalised residual multi-head self-attention.",
        ),
        Block(
            "jnas.TokenMixer",
            "mixer",
            (_DIM, Parameter("tokens", "size", required=True), _ratio(0.5, 0.25, 0.5, 1.0, 2.0), _GELU),
            Contract(layout="NLC", output_layout="NLC", input_width=("dim",), sizes=(("tokens", "tokens"),)),
            "Normalised residual MLP over positions.",
        ),
    )
}
