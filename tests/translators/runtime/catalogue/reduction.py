"""Reductions, running totals, sorting and selection."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, table

_TOTALS = """
tm sum({x|n|b|e|x, 1|x, dim=(0, -1)|n, -1, keepdim=True|x, dtype=torch.float64|x > 0, 1|x, ()|x, dim=[1]|f, -1|c, 1})
tm nansum({x / (x > 0) * 0|x, 1|x, (0, 2), True})
tm mean({x|x, 1|x, (1, 2)|x, dim=[0, 2], keepdim=True|x, -1, True|n, dtype=torch.float32|f, 0|x, (-2, -1)})
tm nanmean({x|x, 1|x / (x > 0) * 0, dim=-1})
tm prod({x|x, 1|n, -1, keepdim=True|b|x, dim=0})
tm var({x|x, 1|x, dim=(0, 2), keepdim=True|x, dim=1, unbiased=False|x, False|x, dim=-1, correction=0|
    x, (1, 2), True, True})
tm std({x|x, -1|x, dim=1, unbiased=False|x, 1, True, True|x, False|x, dim=(0, 1), correction=2})
t var_mean({x|x, dim=1|x, dim=(1, 2), unbiased=False, keepdim=True|x, False|x, 1, correction=0})
t std_mean({x|x, 1|x, dim=(1, 2), keepdim=True|x, dim=0, correction=0})
tm amax({x|x, 1|x, (1, 2), True|x, dim=-1, keepdim=True|n, 1})
tm amin({x|x, -1|x, dim=(0, 1)|n, 0, True})
tm aminmax({x|x, dim=1|x, dim=-1, keepdim=True})
p torch.aminmax(x, dim=0).{min|max}
tm max({x|x, 1|x, -1, True|n, dim=0|x, dim=1, keepdim=True|n})
tm min({x|x, dim=0|x, 1, keepdim=True|n, -1})
p torch.max(x, dim={0|1|-1}){[0]|.values|.indices|[1]}
p x.max({1)[0]|dim=-1, keepdim=True).values|1).indices|2)[1]|)}
tm argmax({x|x, 1|x, -1, True|x, dim=0, keepdim=True|n, 1})
tm argmin({x|x, 0|x, dim=-1, keepdim=True})
tm any({x > 1|x > 1, 1|b, dim=-1, keepdim=True|n|b, (0, 1)})
tm all({x > -1|x > -1, -1, True|b|n, 1})
tm count_nonzero({x > 0|x > 0, 1|n|b, dim=(0, 1)})
tm logsumexp({x, 1|x, (1, 2), True|x, dim=-1, keepdim=True})
tm norm({x|x, dim=1|x, 1, 1|x, 3, -1|x, float("inf"), 1|x, p=2, dim=(1, 2), keepdim=True|x, 2, 1, True|x, "fro"|
    x, p=0.5, dim=-1|x, p=0, dim=1|x, float("-inf"), 0|x, p=1, dim=(0, 2)|x, "fro", dim=(1, 2)})
tm dist({x, y|x, y, 1|x, y, p=3.0})
tmi cumsum({x, 1|n, -1|x, dim=0})
tm cumsum({b, 1|e, -1|x, 1, dtype=torch.float64})
tmi cumprod({x, -1|n, 1|x, dim=0})
tm logcumsumexp({x, 1|x, dim=-1})
tm cummax({x, 1|n, -1|x, dim=0})
tm cummin({x, 1|n, -1|x, dim=0})
tm quantile({x, 0.3|x, 0.5, dim=1|x, torch.tensor([0.1, 0.6]), dim=-1, keepdim=True|
    x, 0.4, dim=0, interpolation="lower"})
tm- quantile(x, 0.4, 1, interpolation={"nearest"|"higher"|"midpoint"})
tm diff({x|x, dim=1|x, n=2, dim=0|x, 1, 1, prepend=x[:, :1]|x, append=y[..., :2]})
tm median({x|x, 1|x, -1, True|n, dim=0, keepdim=True})
tm kthvalue({x, 1|x, 2, 1|x, 1, -1, True})
tm topk({x, 2|x, 2, 1|x, 2, -1, False|x, k=1, dim=0, sorted=True|x, 2, dim=1, largest=False})
p x.topk(2, dim=1){.values|[1]|.indices}
tm sort({x|x, 1, True|x, dim=0|x, descending=True|x, stable=True, dim=1})
tm msort(x)
tm argsort({x|x, 1, descending=True|x, dim=0|x, -1, True|n * 7 + torch.arange(n.shape[-1]), stable=True})
p n.sort(dim=1, stable=True){.indices|.values}
p n.sort(dim=-1, stable=True, descending=True).indices
tm softmax({x, 1|x, -1|x, dim=0|x, dim=-1, dtype=torch.float32})
tm log_softmax({x, 1|x, dim=-1})
p x.sum(1).{item|tolist}() if x is None else x
p (x.sum() > -1e9) & torch.isfinite(x).all()
p torch.special.logsumexp(x, 1)
t cartesian_prod({v, w, v|v, w|v})
"""

_REFUSED = """
tm {histc(x, 4)|mode(x, 1)|renorm(x, 2, 0, 1.0)|nanmedian(x)|as_strided(x, (2, 2), (1, 2))}
"""

_DATA_DEPENDENT = """
tm {nonzero(x)|masked_select(x, b)|unique(n)|unique_consecutive(n)|argwhere(x)}
p {x[b]|x[x > 0]|x.sum().item()|x.tolist()|torch.where(x > 0)[0]|int(x.sum())|torch.zeros(n.max())}
p out = x * 1\\nif x.sum() > 0:\\n    out = -x\\nreturn out
p out = x * 1\\nfor i in range(n[0, 0, 0]):\\n    out = -x\\nreturn out
"""


def cases(draws: int) -> Iterator[Case]:
    yield from table(_TOTALS, draws, 11, constant=True)
    yield from table(_REFUSED, draws, 12, refused="R10")
    yield from table(_DATA_DEPENDENT, draws, 13, refused="R04")
