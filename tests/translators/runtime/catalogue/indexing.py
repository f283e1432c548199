"""Indexing, gathering and scattering."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, table

_INDEXING = """
p x[{0|-1|:, 1|..., 0|:, None|1:|::2|:, :, 1:|None|..., None, :|0, 1, 1|:, -1:|torch.tensor(0)|:, k|:, [1, 0]|
    :, :, torch.arange(2)|:, k, 0|h, h|torch.tensor(1)|[0, 1], [1, 0]|:, torch.tensor([[0, 1], [1, 1]])}]
p x[:, {slice(0, 1)|slice(None, None, 2)|torch.arange(2), None|1:x.shape[1]}]
p x.flip(1)[:, torch.arange(x.shape[1])[::1]] if False else x[torch.arange(2), :, torch.arange(2)]
p x.{__getitem__(0) if False else x[0]|select(1, 1)|select(-1, 0)|narrow(1, 0, 2)|narrow(-1, 1, 1)|index_select(1, k)}
tm gather({x, 1, i|x, dim=1, index=i|x, 1, i[:, :1]|x, -1, torch.zeros_like(n)|x, 1, i[:1, :, :1]})
tm take_along_dim({x, i, 1|x, i[:, :1], dim=1|x, torch.argsort(y, 1), 1})
tm index_select({x, 1, k|x, dim=1, index=k|n, -2, k})
tm select({x, 1, 1|x, -1, 0|x, dim=0, index=-1})
tm narrow({x, 1, 0, 2|x, -1, 1, 1|x, dim=0, start=1, length=1|x, 1, -2, 1})
tm take({x, torch.tensor([0, 3, 1])|x, torch.tensor([[2], [-1]])})
tmi scatter({x, 1, j, y|x, 1, i, 2.5|x, dim=1, index=j, src=y|x, 1, i[:, :1], value=0.5|x, 1, j[:, :1], 2})
tmi- scatter({x, 1, j[:, :1], y|n, 1, j, d.long()})
tmi- scatter({x, 1, i, y, reduce="add"|x, 1, j, 2.0, reduce="multiply"})
tmi scatter_add({x, 1, i, y|x, dim=1, index=i, src=y|n, 1, i, n})
tmi- scatter_add(x, 1, i[:1, :, :1], y)
tmi scatter_reduce({x, 1, i, y, "sum"|x, 1, i, y, reduce="mean"|x, 1, i, y, "amax"|
    x, 1, i, y, "amin", include_self=False|x, 1, i, y, "mean", include_self=False|
    x, 1, i, y, "sum", include_self=False})
tmi- scatter_reduce({x, 1, i, y, "prod"|x, 1, i, y, "prod", include_self=False|
    n, 1, i, n, "amax", include_self=False|n, 1, i, n, "mean"})
tmi index_add({x, 1, k, y[:, :2]|x, 1, k, y[:, :2], alpha=2|x, dim=1, index=k, source=y[:, :2]})
tmi index_copy({x, 1, k, y[:, :2]|x, dim=1, index=k, source=y[:, :2]})
tmi index_fill({x, 1, k, 0.5|n, 1, k, 2|x, dim=1, index=k, value=-1.0})
tmi index_put({x, (torch.tensor([0, 1]), k), y[0, 0]|x, (torch.tensor([0, 1]), k), y[0, 0], accumulate=True|
    x, [torch.tensor([0]), k], o})
tmi masked_scatter({x, b, y|x, x > 0, y})
tmi- put(x, torch.tensor([0, 3]), {v[:2]|v[:2], True|v[:2], accumulate=False})
t select_scatter({x, y[:, 0], 1, 1|x, y[0], dim=0, index=-1})
t slice_scatter({x, y[:, :1], 1, 1, 2|x, y[:1], start=1, end=2|x, y[:, :, ::2], dim=2, step=2})
t diagonal_scatter({q, q[0]|q, q[0, :2], 1|r, r[0, :2], 0, 1, 2})
t isin({n, d|n, torch.tensor([1, 2])|n, torch.tensor([1, 2]), invert=True})
t unravel_index({n.abs(), (4, 5)|h, (2, 3, 4)})
t searchsorted({l, x|l, x, right=True|l, x, side="right"|l, x, out_int32=True|l, 0.5|torch.sort(x).values, y})
t bucketize({x, l|x, l, right=True|x, boundaries=l, out_int32=True|0.3, l})
t bincount({h, minlength=3}) if False else x
f one_hot({h, 2|h, num_classes=4|i, 6})
f embedding({i, y.reshape(-1, 2)[:4].repeat(2, 1)|h, m|i, m, 0|i, m, padding_idx=-1})
p out = torch.zeros(2, 5)\\nout.scatter_(1, torch.tensor([[0], [3]]), {1|1.0})\\nreturn out * o
p (torch.arange(5)[None] < n[0, 0, :1]).float().masked_fill({torch.arange(5) > 2|~(torch.arange(5) > 1)}, {2.0|
    float("-inf")})
p n.clamp(0, 1).{bool()|bool().any(dim=1)|bool().sum()|float().mean()}
p F.one_hot(n.clamp(0, 3), {4|num_classes=5}).{float()|permute(0, 3, 1, 2)|sum(-1)}
p x.new_zeros(x.shape[0], {4}).index_fill_(1, torch.tensor([1, 2]), {1|1.5})
"""


def cases(draws: int) -> Iterator[Case]:
    yield from table(_INDEXING, draws, 31, constant=True)
