"""Products of matrices, decompositions, Fourier transforms, distances."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, table

_PRODUCTS = """
tm matmul({x, m|x, x.transpose(1, 2)|v, m|x, v|v, w|x, m.unsqueeze(0)|f, f.transpose(1, 2)|x, other=m})
p {x @ m|v @ m|x @ v|q @ q|x @ y.mT}
tm mm(q, q)
tm bmm(x, {y.transpose(1, 2)|mat2=y.mT})
tm mv(x[0], v)
tm dot(v, w)
tm vdot(v, w)
tm inner({v, w|x, y})
tm outer(v, w)
tm ger(v, w)
tm kron({q, m|v, w})
tmi addmm({q, q, q|q, q, q, beta=0.5, alpha=2|q, mat1=q, mat2=q})
tmi baddbmm({r, r, r|r, r, r, beta=0.5, alpha=2})
tmi addbmm({q, r, r|q, r, r, alpha=2})
tmi addmv({q[0], q, q[1]|q[0], q, q[1], beta=0.5})
tmi addr({q, q[0], q[1]|q, q[0], q[1], alpha=3})
t einsum({"bij,jk->bik", x, m|"b i j, b k j -> b i k", x, y|"...ij->...ji", x|"...c,...c->...", x, y|"ij,ij", q, q|
    "ii", q|"ii->i", q|"bij,bij->", x, y|"i,j->ij", [v, w]|"bij,jk", x, m|"Bij->ijB", x|"...i,i->...", x, v|
    x, [0, 1, 2], y, [0, 3, 2], [0, 1, 3]|q, [0, 1], q, [1, 2]|x, [..., 0], v, [0], [...]})
p torch.functional.einsum("bij,bkj->bik", x, y)
t tensordot({x, m, 1|x, y, ([0, 2], [0, 2])|x, y, dims=[[1], [1]]|x, m, dims=1})
t chain_matmul({q, q, q|q, q})
tm trace(q)
tm cross({x[:, :2].new_zeros(2, 3) + q[:2], q[1:]|r, q.expand(2, 3, 3), 2|q, q.t(), dim=1|q, q.t(), -1})
t cdist({x, y|x, y, 1.0|x, y, p=3.0|x, y[:, :1], p=float("inf")})
tm inverse({q @ q.t() + torch.eye(3)|r @ r.mT + torch.eye(3)})
tm det({q|r})
tm logdet({q @ q.t() + torch.eye(3)|r @ r.mT + torch.eye(3)})
tm slogdet({q|r})
tm matrix_power({q, 3|r, 2|q + 3 * torch.eye(3), -1|q, 0})
tm matrix_exp({q|r * 0.3})
tm cholesky({q @ q.t() + torch.eye(3)|r @ r.mT + torch.eye(3)})
tm pinverse(q @ q.t() + torch.eye(3))
p torch.linalg.norm({x|x, dim=-1|x, ord=1, dim=-1, keepdim=True|q, "fro"|q, 2|q, ord=1|q, float("inf")|
    x, ord=2, dim=(1, 2)|x, "nuc", (0, 1)|v, 3|x, dim=(0, 1)|x, float("-inf"), 1|v, 0|q, -1})
p torch.linalg.vector_norm({x|x, dim=1|x, 1, (0, 1)|x, ord=float("inf"), dim=-1, keepdim=True|x, 3.0|x, 2, 1, True})
p torch.linalg.matrix_norm({q|x, 2|x, "nuc"|x, 1, keepdim=True|x, float("inf"), dim=(0, 1)|r, -1})
p torch.linalg.inv({q @ q.t() + torch.eye(3)|r @ r.mT + torch.eye(3)})
p torch.linalg.{det|matrix_exp|pinv}({q|r * 0.5})
p torch.linalg.{slogdet(r)|matrix_power(q, 2)|multi_dot([q, q, q])|cross(q, q.t())|diagonal(x)|vecdot(x, y)|
    vecdot(x, y, dim=1)|matmul(x, m)|cross(r, r.mT, dim=1)}
p torch.linalg.cholesky({q @ q.t() + torch.eye(3)|r @ r.mT + torch.eye(3)})
p torch.linalg.solve({q @ q.t() + torch.eye(3), q|q @ q.t() + torch.eye(3), q[0]|r @ r.mT + torch.eye(3), r|
    r @ r.mT + torch.eye(3), r[0]})
p torch.linalg.solve_triangular({q.triu() + 3 * torch.eye(3), q, upper=True|
    q.tril() + 3 * torch.eye(3), q, upper=False|q.triu(1), q, upper=True, unitriangular=True|
    q.tril() + 3 * torch.eye(3), q, upper=False, left=False})
p torch.linalg.{svdvals(x)|eigvalsh(r + r.mT)|matrix_rank(x)}
p a, b = torch.linalg.qr({q + 3 * torch.eye(3)|r})\\nreturn a @ b
p a, b, c = torch.linalg.svd({q|x, full_matrices=False|r})\\nreturn (a * b.unsqueeze(-2)) @ c
p a, b = torch.linalg.eigh(r + r.mT)\\nreturn (b * a.unsqueeze(-2)) @ b.mT
f linear({x, m.t()|x, m.t(), m[0]|v, m.t()|x, weight=m.t(), bias=None|f, f[0]})
f bilinear({x[0], y[0], torch.ones(2, 1, 1) * x[0, 0][:, None] * y[0, 0][None], v[:2]})
t cosine_similarity({x, y|x, y, -1|x, y, dim=0, eps=0.1|x, s})
f cosine_similarity({x, y|x, y, dim=2|x * 0, y})
f pairwise_distance({x, y|x, y, 1.0|x, y, p=3.0, keepdim=True|x, y, eps=0.1})
t pairwise_distance(x, y)
f normalize({x|x, dim=-1|x, p=1, dim=0|x * 0|x, 2.0, (1, 2)|x, p=3.0, dim=1, eps=1.0})
"""

_FOURIER = """
p torch.view_as_real(torch.fft.{fft|rfft}({x|x, dim=1|x, n=5|x, norm="ortho"|x, 3, 1, "forward"|
    x, dim=0, norm="backward"}))
p torch.view_as_real(torch.fft.ifft({x|x, dim=1|x, n=5, norm="forward"}).resolve_conj())
p torch.view_as_real(torch.fft.{fft2|ifft2|rfft2}({x|x, dim=(0, 1)|x, s=(4, 5)|x, norm="ortho"|x, norm="forward"|
    x, (2, 2), (1, 2)}))
p torch.view_as_real(torch.fft.{fftn|ifftn|rfftn}({x|x, dim=(0, 2)|x, norm="ortho"|x, s=(3, 4)|x, dim=(1,)}))
p torch.fft.irfft(torch.fft.rfft({z|z, dim=1|z, norm="ortho"}), {n=4|n=6|n=5})
p torch.fft.irfft2(torch.fft.rfft2(z, {norm="ortho"|dim=(1, 2)|norm=None|norm="forward"}), {s=(6, 4)|s=z.shape[1:]|
    s=(6, 4), dim=(-2, -1)})
p torch.fft.irfft2(torch.fft.rfft2(z, dim=(1, 2), norm="ortho"), s=(6, 4), dim=(1, 2), norm="ortho")
p torch.fft.irfftn(torch.fft.rfftn(z), s=z.shape)
p torch.fft.{ifft2(torch.fft.fft2(x))|ifft(torch.fft.fft(x))|ifftn(torch.fft.fftn(x))}.{real|imag|abs()}
p torch.fft.{fft(c)|ifft2(c)|fft2(c, norm="ortho")}.real
p- torch.view_as_real(torch.fft.{fft(c)|ifft(c, dim=1)|fft2(c)|fftn(c, dim=(0, 1))|hfft(c, n=5).to(torch.complex64)|
    ihfft(x).resolve_conj()})
p torch.fft.{fftshift|ifftshift}({x|x, dim=1|x, dim=(-2, -1)|x, (0, 1)})
p- torch.fft.fftshift(torch.fft.fft2(x), dim=(1, 2)).abs()
p- (torch.fft.rfft2(x, norm="ortho") * torch.view_as_complex(torch.ones(x.shape[2] // 2 + 1, 2))).{real|imag|
    angle() * 0}
"""


def cases(draws: int) -> Iterator[Case]:
    yield from table(_PRODUCTS, draws, 41, tolerance=2e-4)
    yield from table(_FOURIER, draws, 42)
