"""Initialisers, and spellings that the other tables have no occasion for."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, Draw, table

# Whatever they draw, the weights are copied from PyTorch's: that the numbers are right is tested with construction.
_INITIALISERS = """
xavier_uniform_({w|w, gain=2.0|w, nn.init.calculate_gain("relu")|tensor=w})
xavier_normal_({w|w, 0.5})
kaiming_uniform_({w|w, a=math.sqrt(5)|w, mode="fan_out", nonlinearity="relu"})
kaiming_normal_({w|w, mode="fan_out", nonlinearity="relu"|w, 0.1, "fan_in", "leaky_relu"})
{normal_|normal}({w|w, 0.0, 0.02|w, mean=1.0, std=0.5})
{uniform_|uniform}({w|w, -0.1, 0.1|w, a=-1.0, b=2.0})
trunc_normal_({w|w, std=0.02|w, mean=0.0, std=1.0, a=-1.0, b=1.0})
{constant_|constant}(w, {0.5|val=1})
{zeros_|ones_|eye_|eye|orthogonal_|orthogonal|xavier_uniform|xavier_normal|kaiming_uniform|kaiming_normal}(w)
orthogonal_(w, gain=2.0)
{sparse_|sparse}(w, {0.3|sparsity=0.5, std=0.1})
{dirac_|dirac}({w[:, :, None]|w[:, :, None], groups=2})
"""

_REST = """
p torch.HalfTensor([1, 2]), torch.IntTensor([3]), torch.DoubleTensor([1.5]), torch.ByteTensor([2])
p torch.zeros(2, dtype=torch.{cdouble|complex128|int64|uint16|uint32|uint64|int16|uint8})
p torch.zeros(2, dtype={torch.float|torch.double|torch.half|torch.bool|torch.short|torch.int|torch.cfloat})
p x.detach().numpy() + {0|1}
p torch.nan_to_num(x * torch.{nan|inf}, {0.5})
t bilinear({x[0], y[0], torch.ones(2, 1, 1) * x[0, 0][:, None] * y[0, 0][None], v[:2]})
t conv1d({z, z[:2, :, :2], padding=1|z, z[:2, :3, :1], None, 1, 0, 1, 2})
p out = x * 1\\nout = out.{detach_()|swapdims_(0, 1)}\\nreturn out * y.{sum()|mean()}
p- out = u.double()\\nout.{float_power_(2)|igamma_(out + 1)|igammac_(out + 1)}\\nreturn out
p out = c * 1\\nout.conj_physical_()\\nreturn out.{real|imag}
p torch.tensor({1.0|0}).is_nonzero()
t polygamma({1, u|2, u + 1})
p- torch.special.{gammainc|gammaincc}(u, u + 1)
p torch.special.polygamma({1|2}, u)
p torch.special.{round(x * 3)|round(x, decimals=1)}
p- torch.special.zeta({u + 1.5, u + 1|u + 2, y.abs() + 1})
f rrelu_(x * 1, {0.1, 0.3|lower=0.2})
f triplet_margin_with_distance_loss({x, y, u|
    x, y, u, distance_function=lambda a, b: (a - b).abs().sum(-1), margin=0.5|x, y, u, swap=True, reduction="none"})
p nn.TripletMarginWithDistanceLoss({|distance_function=lambda a, b: (a - b).abs().sum(-1)|
    margin=0.5, swap=True})(x, y, u)
p F.multi_head_attention_forward(r, r, r, 3, 1, r.reshape(-1, 3)[:6].repeat(2, 1)[:9], {None|
    q.reshape(-1)}, None, None, False, 0.0, q, {q[0]|None}, training=False, need_weights={False|True})[0]
p nn.{functional.relu(x)|functional.gelu(x)}
p issubclass(nn.BatchNorm2d, nn.modules.batchnorm._BatchNorm), isinstance(nn.ReLU(), nn.Module), nn.init is None
p issubclass(nn.SyncBatchNorm, nn.BatchNorm2d), isinstance(x, torch.Tensor), isinstance(x, (nn.Parameter, nn.Buffer))
p torch.{float|half|bfloat16|long|bool}.is_floating_point
p x.to(torch.{get_autocast_dtype("cpu")|get_autocast_cpu_dtype()|get_autocast_gpu_dtype()|
    get_autocast_dtype("cuda")})
p with torch.set_grad_enabled({True|False}):\\n    out = x * 2\\nreturn out * y
p with torch.{no_grad()|enable_grad()|inference_mode()}:\\n    out = x * 2\\nreturn out.clone() * y
p x.new({2, 3|[1.0, 2.0]|x.shape[0], 2}).zero_()
"""

_REFUSED = """
p x.{stride()|data_ptr()|storage()|backward()|register_hook(None)|histogram(4)|to_sparse()|stft(4)|lu()}
p torch.{histc(x)|lobpcg(q)|stft(x, 4)|poisson_nll(x)|combinations(v)|linalg.lstsq(q, q)|linalg.eig(q)|fft.hfft2(x)}
p torch.add(x, y, out=y)
p F.{ctc_loss(x, n, n, n)|fractional_max_pool2d(x, 2, output_size=2)|embedding(n, m, max_norm=1.0)}
p nn.{FractionalMaxPool2d(2, output_size=2)|AdaptiveLogSoftmaxWithLoss(4, 5, [2])|CTCLoss()|LazyLinear(3)}(x)
p x.{is_leaf|grad|names|grad_fn|layout}
"""

_QUANTIZATION = """
p torch.nn.quantized.FloatFunctional().{add(x, y)|mul(x, y)|cat([x, y], 1)|add_relu(x, y)}
p torch.ao.quantization.{QuantStub|DeQuantStub}()(x)
"""

# Positional flags: some say `inplace`, most do not.
_FLAGS = (
    *("nn.Linear(3, 3, True)", "nn.ReLU(True)", "nn.LeakyReLU(0.1, True)", "nn.LayerNorm(3, 1e-5, True)"),
    *("nn.ELU(0.5, True)", "nn.Dropout(0.0, True)", "nn.Hardtanh(-1, 1, True)"),
    *("nn.GRUCell(3, 3, True)", "nn.Sequential(nn.Linear(3, 3, True), nn.ReLU(True))", "nn.Threshold(0.1, 2, True)"),
)


def cases(draws: int) -> Iterator[Case]:
    lines = "\n".join(f"p nn.init.{line}" for line in _INITIALISERS.strip().split("\n"))
    for case in table(lines.replace("w", "TENSOR"), draws, 81):
        layer = case.body.replace("TENSOR", "torch.empty(4, 4)")
        yield Case("x * self.layer", {"x": Draw((84,)).normal(1)}, f"nn.Parameter({layer})")
    yield from table(_REST, draws, 82)
    for case in table(_QUANTIZATION, draws, 86):
        layer, _, call = case.body.replace("()(", "().forward(").partition("().")
        yield Case(f"self.layer.{call}".replace("layer.forward", "layer"), case.arrays, f"{layer}()")
    for layer in _FLAGS:
        yield Case("z = x * 1\ny = self.layer(z)\nreturn z + y, y * 1", {"x": Draw((85,)).normal(2, 3)}, layer)
    yield Case("z = x * 1\nnn.init.zeros_(z)\nreturn z", {"x": Draw((85,)).normal(2, 3)}, refused="R05")
    for case in table(_REFUSED, draws, 83):
        yield Case(case.body, case.arrays, refused="R1[013]|R09|R03")
