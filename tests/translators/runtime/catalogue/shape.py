"""Layout: views, axes, joins, splits, windows, diagonals; and the functions that make tensors."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, table

_LAYOUT = """
tm reshape({x, (-1,)|z, (-1, 2)|z, (z.shape[0], 12, 2)|z, [3, -1, 4]})
m reshape({z, -1, 2|z, z.size(0), 3, -1|z, z.shape|z, *z.shape[:1], 24})
m view({z, -1|z, z.size(0), -1|z, (-1, 2, 3)|z, z.shape[0], 2, 3, 4|x, -1, x.shape[-1]|x, torch.int32|x, x.shape})
m view_as({z, y.reshape(-1).new_zeros(z.shape)|x, y})
m reshape_as({x, y})
tm flatten({x|x, 1|x, 0, 1|x, -2, -1|o|x, start_dim=1, end_dim=2})
tm ravel(x)
tm unflatten({z, 1, (2, 3)|z, -1, (2, -1)|z, 1, [3, 2]})
p {x.size()|x.size(1)|x.size(-1)|x.shape[1:]|x.shape.numel()|x.size().numel()|len(x)|x.dim()|x.size(dim=0)|
    tuple(x.shape)|list(x.size())}
tm permute({x, (2, 0, 1)|x, (-1, 0, 1)|x, [0, 2, 1]})
m permute({x, 2, 0, 1|x, 0, -1, 1|x, (1, 0, 2)})
tm transpose({x, 1, 2|x, -1, 0|x, dim0=0, dim1=1})
tm swapaxes({x, 0, 1|x, -1, 1})
tm swapdims({x, 0, 2})
tm movedim({x, 1, -1|x, (0, 1), (1, 2)|x, 0, 2})
tm moveaxis({x, -1, 0|x, (2, 0), (0, 1)})
tm t({m|v|q})
tm adjoint({x|c})
p {m.T|x.mT|q.T|c.mH|x.T if x.ndim == 2 else m.T}
tm squeeze({s|s, 0|s, 1|s, -1|s, (0, 2)|s, dim=2|x.unsqueeze(1)})
tm unsqueeze({x, 0|x, -1|x, 2|x, dim=-2})
p out = x * 1\\nout = out.{unsqueeze_(1)|transpose_(0, 1)|squeeze_()|swapaxes_(1, 2)}\\nreturn out
p out = q * 1\\nout.t_()\\nreturn out * torch.arange(3)
m expand({s, 2, -1, 3|s, -1, -1, 5|s, (5, 1, s.shape[1], 2)|s, size=(2, s.shape[1], 3)|v, 2, -1})
m expand_as(s, x)
tm broadcast_to({s, (2, s.shape[1], 3)|v, (3, v.shape[0])})
t broadcast_tensors({x, s|x, s, y})
p torch.broadcast_shapes(x.shape, {s.shape|(1, 1)})
m repeat({x, 2, 1, 3|v, 2, 3|x, (1, 2, 1)|x, 2, 1, 1, 2})
tm tile({x, (2, 1)|x, (2, 1, 1, 2)|v, (3,)})
m tile({x, 2, 1|x, 2, 2, 1})
tm repeat_interleave({x, 2, 1|x, 2|x, 3, dim=-1|x, 2, dim=0})
p torch.repeat_interleave(x, torch.arange(x.shape[1]) + 1, dim=1)
t cat({[x, y], 1|(x, y), dim=-1|[x, s.expand(1, *x.shape[1:])]|[x, n]|[n, b], 0|tensors=[x, y], dim=2|
    [x, torch.zeros(0)]|[x], -1})
t {concat|concatenate}(({x, y|y, x, y}), dim={0|1|-1})
t stack({[x, y]|(x, y), -1|[x, y], dim=1|tensors=(x, y), dim=-2})
t {hstack|vstack|dstack|column_stack|row_stack}({[x, y]|(v, w)|[m, m]})
tm split({z, 2, 1|z, 4, dim=1|z, [1, 2, 3], 1|z, 3, -1|z, split_size_or_sections=4, dim=1|z, (2, 2), 2|z, 5, 1})
p torch.split(z, 4, dim=1)[{0|1|-1}]
p a, b = z.{split(3, 1)|chunk(2, dim=1)|chunk(2, -1)|split([1, 5], dim=1)|unbind(1)[:2]}\\nreturn a, b
m split_with_sizes(z, [2, 4], 1)
tm chunk({z, 2, -1|z, 3, 1|z, 4, 1|z, 5, dim=1|z, 7, 1|z, chunks=2, dim=2})
tm {unsafe_chunk|unsafe_split}(z, 2, 1)
tm tensor_split({z, 4, 1|z, (1, 3), 1|z, 2, dim=-1|z, [2, 5], 1})
tm {hsplit|vsplit|dsplit}(z.repeat(2, 1, 1), {2|(1, 3)|[1]})
tm unbind({x|x, 1|x, -1|x, dim=2})
tm flip({x, (1,)|x, (0, -1)|x, dims=[2]|x, [0, 1, 2]})
m flip({x, 1|x, -1, 0})
tm fliplr(x)
tm flipud(x)
tm rot90({q|x, 1, (1, 2)|x, 2, [0, 1]|x, k=-1, dims=(0, 2)|x, 3, (2, 1)})
tm roll({x, 1, 1|x, (1, -2), (1, 2)|x, 2|x, shifts=(1,), dims=(-1,)|x, -1, -1|x, [1, 1], [0, 2]})
m unfold({z, 1, 3, 2|z, 1, 2, 1|z, -1, 4, 1|z, dimension=1, size=4, step=3})
tm diagonal({q|x, 1, 1, 2|x, offset=-1, dim1=0, dim2=2|r, 0, -2, -1})
tm diag({v|q|q, 1|v, -1|m, diagonal=1})
tm diagflat({v|v, 1|m, -1})
tm diag_embed({x|v, 1|v, offset=-1|x, 0, 1, 3|x, dim1=0, dim2=-1})
tmi tril({x|q, -1|x, diagonal=1})
tmi triu({x, 1|q|x, diagonal=-1})
t atleast_1d({o|x})
t {atleast_2d|atleast_3d}({o|v|x|(v, o)})
m sum_to_size({x, 1, x.shape[1], 1|x, x.shape[2]|x, (1, 1, 1)})
p x.{is_same_size(y)|element_size()|numel()|nelement()|ndimension()|is_contiguous()}
p torch.numel(x), x.contiguous(), x.numel(), x.clone(), torch.clone(y)
p x.contiguous(memory_format=torch.{contiguous_format|preserve_format})
p {x.detach()|x.data|x.clone().detach()|x.detach().requires_grad_(False)} * x
p einops.rearrange({x, "a b c -> c (a b)"|z, "a (b d) c -> a b c d", d=2|[x, y], "n a b c -> a (n b) c"|
    x, "... c -> c ..."})
p einops.reduce({x, "a b c -> a c", "mean"|z, "a (b 2) c -> a b c", "max"|x, "a b c -> b", reduction="sum"|
    x, "a b c -> a 1 1", "min"|x, "... c -> c", "prod"})
p einops.repeat({x, "a b c -> a b c d", d=2|v, "c -> n c", n=3|x, "a b c -> a (b k) c", k=2})
p einops.einsum({x, y, "a b c, a d c -> a b d"|x, m, "a b c, c d -> a b d"}) if False else x
p einops.unpack(*einops.pack([x, y], "a b *"), "a b *")[{0|1}]
p einops.parse_shape(x, "a b _")["{a|b}"]
"""

_CREATION = """
p torch.zeros({2, 3|(2, 3)|2|[1, 2]|x.shape|x.size(0), 2|size=(2, 3)|2, 3, dtype=torch.float64|1, dtype=torch.long|
    2, device=x.device}) * 1
p torch.ones({2, 3|(2, 3)|x.shape[:2]|2, dtype=torch.bool|size=(1, 2), dtype=x.dtype}) * 1
p torch.full({(2, 3), 1.5|x.shape, 2|(2,), True|(2, 2), 3, dtype=torch.float32|size=(2,), fill_value=0.5}) * 1
p torch.empty({2, 3|x.shape, dtype=x.dtype, device=x.device|(2,), dtype=torch.long}).fill_({1|2})
p torch.{zeros_like|ones_like}({x|n|x, dtype=torch.long|b|x, device=x.device, dtype=x.dtype|
    n, dtype=torch.float32}) * 1
p torch.full_like({x, 2|n, 3|x, 0.5, dtype=torch.float16|x, fill_value=-1.0}) * 1
p torch.empty_like({x|n|x, dtype=torch.float16}).zero_()
p x.{new_zeros(2, 3)|new_zeros((2, 3))|new_zeros(x.shape, dtype=torch.long)|new_ones(x.size(0))|
    new_ones(x.shape[1:])|new_full((2, 2), 1.5)|new_empty(2, 2).fill_(2)|new_tensor([1.0, 2.0])} + 0
p torch.tensor({[1, 2]|[1.0, 2.0]|3|2.5|[[True, False]]|[1, 2.5]|[1, 2], dtype=torch.float32|
    (1, 2), dtype=torch.long|x.shape[1:]}) * 1
p torch.{as_tensor|asarray}({[1.5, 2.0]|x|[1, 2], dtype=torch.float32}) * 1
p torch.Tensor({[1, 2]|[[0.5], [1]]}) * x.new_ones(1)
p torch.FloatTensor([1, 2]) * x.new_ones(1), torch.LongTensor([[3]]), torch.BoolTensor([True]), torch.scalar_tensor(2.0)
p torch.arange({5|1, 6|1, 6, 2|0.0, 1.0, 0.25|5, 0, -2|4, dtype=torch.float32|x.shape[1]|end=3|start=1, end=4|
    1, 2.5|0, 6, step=3, dtype=x.dtype, device=x.device}) * 1
p torch.linspace({0, 1, 5|-1, 1, x.shape[1]|0.0, 3, steps=4|start=-2, end=2, steps=1|0, 5, 3, dtype=torch.float64|
    1, 0, 4, device=x.device}) * 1
p torch.logspace({0, 2, 3|0, 1, 4, 2.0|-1, 1, steps=3, base=10}) * 1
p torch.eye({3|2, 4|3, dtype=torch.long|3, 2, device=x.device|n=2, m=3}) * 1
p torch.{hann_window|bartlett_window|blackman_window|hamming_window|kaiser_window}({5|6, periodic=False|1|
    4, dtype=torch.float64})
p torch.hamming_window(5, True, 0.5, 0.4), torch.kaiser_window(5, False, 3.0)
p torch.{tril_indices|triu_indices}({3, 4|3, 3, 1|2, 5, offset=-1})
p torch.meshgrid({v, w[:2]|v, w[:2], indexing="ij"|v, w[:2], indexing="xy"|[v, w[:2], v]|
    torch.arange(2), torch.arange(3)|(v, w), indexing="ij"})
p torch.complex(x, y).real + torch.tensor([1.0, 2.0]).sum()
p torch.from_numpy(__import__("numpy").ones(2)) if False else x
p torch.fft.{fftfreq|rfftfreq}({5|4, 0.5|6, d=2.0})
p torch.{pi|e|inf} * x.new_ones(1)
p math.{pi|sqrt(2)|prod((2, 3))} * x
p torch.block_diag(q, m, x[0]){|.T}
p torch.vander(v) if False else v
p torch.Size([2, 3]).numel() * x
"""

_WRITES = """
p out = x * 1\\nout[{0|:, 1|..., 0|:, :1|1:, 0|-1|:, ::2|None, 0|:, 0, 1} ] {=|+=|*=|-=} {2.0|y[0, 0, 0]|
    o}\\nreturn out
p out = x * 1\\nout[:, {0|-1}] = y[:, 1]\\nreturn out
p out = x * 1\\nout[b] = {0.0|-1}\\nreturn out
p out = x * 1\\nout[x > 0] = 0.5\\nreturn out
p out = x * 1\\nout[:, k] = y[:, :2]\\nreturn out
p out = torch.zeros_like(x)\\nout[:, :1] = x[:, 1:2]\\nout[..., -1] += 1\\nreturn out
p out = torch.zeros(x.shape)\\nout[:] = x\\nout.{zero_()|fill_(2)|add_(y)|copy_(y)|mul_(x)}\\nreturn out
p out = x * 1\\nout.{add_(y)|mul_(2)|clamp_(min=0)|sub_(y, alpha=2)|div_(u)|copy_(s)|fill_(3)|zero_()|
    masked_fill_(b, 1.0)|abs_()|relu_()|sigmoid_()|neg_()|addcmul_(x, y)|fill_(o)}\\nreturn out
p out = x * 1\\nF.{elu_|relu_|leaky_relu_|hardtanh_|selu_|celu_}(out)\\nreturn out
p out = x * 1\\nF.{elu|relu|relu6|silu|hardswish|mish|leaky_relu|hardtanh|selu|
    hardsigmoid}(out, inplace=True)\\nreturn out
p out = x * 1\\ntorch.{relu_|sigmoid_|exp_|sin_|neg_|tanh_}(out)\\nreturn out
p out = x * 1\\n{F.relu6(out, True)|torch.clamp_(out, 0, 1)|F.threshold_(out, 0.1, 2.0)|F.elu(out, 1.0, True)|
    F.leaky_relu(out, 0.3, True)}\\nreturn out
p out = q * 1\\nout.fill_diagonal_({0|1.5})\\nreturn out
"""


def cases(draws: int) -> Iterator[Case]:
    yield from table(_LAYOUT, draws, 21, constant=True)


def creation(draws: int) -> Iterator[Case]:
    yield from table(_CREATION, draws, 22)
    yield from table(_WRITES, draws, 23)
