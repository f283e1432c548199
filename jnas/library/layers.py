"""The runtime's layers as blocks without a contract: lifted models are made of them. Pure data."""

from __future__ import annotations

from jnas.library.block import Block

PREFIX = "nn."

_FAMILIES = {
    "convolution": "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d",
    "mlp": "Linear Bilinear",
    "attention": "MultiheadAttention TransformerEncoderLayer TransformerEncoder",
    "pooling": """MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d
        AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d LPPool2d""",
    "normalisation": """BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LayerNorm GroupNorm InstanceNorm1d
        InstanceNorm2d InstanceNorm3d LocalResponseNorm RMSNorm""",
    "activation": """ReLU ReLU6 LeakyReLU PReLU RReLU ELU SELU CELU GELU SiLU Mish Sigmoid Tanh Hardswish Hardsigmoid
        Hardtanh Softplus Softsign Softmax LogSoftmax Softmax2d Softmin Threshold GLU LogSigmoid Hardshrink Softshrink
        Tanhshrink""",
    "downsampling": "PixelUnshuffle",
    "other": """Identity Dropout Dropout1d Dropout2d Dropout3d AlphaDropout Flatten Unflatten Sequential Upsample
        UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle ChannelShuffle ZeroPad2d ReflectionPad2d
        ReplicationPad2d ConstantPad2d CircularPad2d Unfold Fold""",
}

LAYERS: dict[str, Block] = {
    PREFIX + name: Block(PREFIX + name, family) for family, names in _FAMILIES.items() for name in names.split()
}
