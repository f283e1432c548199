"""Tensor operations against PyTorch: `expression` is evaluated once with torch tensors and once with `ops`."""

import numpy as np
import pytest

from translators.runtime import ops

torch = pytest.importorskip("torch")

SHAPES = {"x": (2, 3, 4), "y": (2, 3, 4), "m": (4, 5), "s": (1, 3, 1), "v": (4,), "b": (2, 4, 6), "q": (3, 3)}

# Call `NAME(ARGUMENTS)`: a function of torch, or else the tensor method of that name.
CALLS = """
abs(x)|neg(x)|sign(x)|square(x)|exp(x)|expm1(x)|exp2(x)|sin(x)|cos(x)|tan(x)|tanh(x)|sinh(x)|cosh(x)|atan(x)
sigmoid(x)|log(abs(x) + 1)|log2(abs(x) + 1)|log10(abs(x) + 1)|log1p(abs(x))|sqrt(abs(x) + 1)|rsqrt(abs(x) + 1)
reciprocal(abs(x) + 1)|floor(x * 3)|ceil(x * 3)|trunc(x * 3)|round(x * 3)|round(x, decimals=1)|erf(x)
erfinv(tanh(x) * 0.9)|logit(sigmoid(x))|asin(tanh(x))|acos(tanh(x))|logit(sigmoid(x * 9), 1e-2)|nan_to_num(x)
clamp(x, 0.1)|clamp(x, max=0.2)|clamp(x, -0.3, 0.4)|clamp(x, y)|clamp_min(x, 0)|clip(x, -1, 1)
clamp(x, 0.5, -0.5)|add(x, s)|add(x, y, alpha=2)|sub(x, 1)|sub(x, y, alpha=3)|mul(x, s)|div(x, abs(y) + 1)
div(x, 0.3, rounding_mode="floor")|div(x, 0.3, rounding_mode="trunc")|pow(abs(x) + 1, 2.5)|pow(x, 2)
pow(abs(x) + 1, y)|fmod(x, 0.4)|remainder(x, 0.4)|atan2(x, y)|maximum(x, y)|minimum(x, s)|max(x, y)|min(x, y)
addcmul(x, y, s, value=2)|addcdiv(x, y, abs(s) + 1, value=0.5)|lerp(x, y, 0.3)|lerp(x, y, s)
where(x > 0, x, y)|where(x > 0, x, 0.5)|masked_fill(x, y > 0, -1.5)|rsub(x, 2)|eq(x, x)|ne(x, y)|lt(x, y)
le(x, y)|gt(x, y)|ge(x, 0)|logical_and(x > 0, y > 0)|logical_or(x > 0, y > 0)|logical_not(x > 0)
logical_xor(x > 0, y > 0)|isnan(x)|isinf(x)|isfinite(x)|isclose(x, y)|floor_divide(x, 0.3)|sum(x)|sum(x, 1)
sum(x, dim=(0, -1))|sum(x, -1, keepdim=True)|sum(x > 0)|sum(x > 0, 1)|mean(x)|mean(x, 1)|mean(x, (1, 2))
mean(x, dim=[0, 2], keepdim=True)|prod(x, 1)|var(x)|var(x, 1)|var(x, dim=(0, 2), keepdim=True)
var(x, dim=1, unbiased=False)|var(x, False)|var(x, dim=-1, correction=0)|std(x)|std(x, -1)
std(x, dim=1, unbiased=False)|std(x, 1, True, True)|var_mean(x, dim=1)
var_mean(x, dim=(1, 2), unbiased=False, keepdim=True)|std_mean(x, 1)|amax(x)|amax(x, 1)|amax(x, (1, 2), True)
amin(x, -1)|aminmax(x, dim=1)|max(x)|min(x)|max(x, 1)|max(x, -1, True)|min(x, dim=0)|argmax(x)|argmax(x, 1)
argmax(x, -1, True)|argmin(x, 0)|any(x > 1)|any(x > 1, 1)|all(x > -1, -1, True)|cumsum(x, 1)|cumprod(x, -1)
logsumexp(x, 1)|logsumexp(x, (1, 2), True)|norm(x)|norm(x, dim=1)|norm(x, 1, 1)|norm(x, 3, -1)
norm(x, float("inf"), 1)|norm(x, p=2, dim=(1, 2), keepdim=True)|norm(x, 2, 1, True)|topk(x, 2)|topk(x, 2, 1)
topk(x, 3, -1, False)|sort(x)|sort(x, 1, True)|argsort(x)|argsort(x, 1, descending=True)|median(x)
median(b, 1)|kthvalue(x, 2)|kthvalue(x, 1, 1, True)|count_nonzero(x > 0)|count_nonzero(x > 0, 1)|dist(x, y)
softmax(x, 1)|softmax(x, -1)|log_softmax(x, 0)|reshape(x, (6, 4))|reshape(x, (-1, 2))|flatten(x)|flatten(x, 1)
flatten(x, 0, 1)|flatten(x, -2, -1)|ravel(x)|unflatten(b, 1, (2, 2))|unflatten(b, -1, (3, -1))|view_as(x, y)
permute(x, (2, 0, 1))|transpose(x, 1, 2)|transpose(x, -1, 0)|swapaxes(x, 0, 1)|movedim(x, 1, -1)
movedim(x, (0, 1), (1, 2))|t(m)|adjoint(x)|squeeze(s)|squeeze(s, 0)|squeeze(s, 1)|squeeze(s, -1)
squeeze(s, (0, 2))|unsqueeze(x, 0)|unsqueeze(x, -1)|unsqueeze(x, 2)|expand(s, 2, 3, 4)|expand(s, -1, -1, 5)
expand(s, (5, 1, 3, 2))|expand_as(s, x)|broadcast_to(s, (2, 3, 4))|repeat(x, 2, 1, 3)|repeat(v, 2, 3)
tile(x, (2, 1))|repeat_interleave(x, 2, 1)|repeat_interleave(x, 2)|repeat_interleave(x, 3, dim=-1)
cat([x, y], 1)|cat((x, y), dim=-1)|cat([x, s.expand(1, 3, 4)])|stack([x, y])|stack((x, y), -1)
stack([x, y], dim=1)|hstack([x, y])|vstack([x, y])|split(b, 2, 1)|split(b, 4, dim=-1)|split(b, [1, 3], 1)
chunk(b, 2, -1)|chunk(b, 3, 1)|chunk(b, 4, 2)|chunk(b, 5, 2)|tensor_split(b, 4, 2)|unbind(x)|unbind(x, 1)
unbind(x, -1)|flip(x, (1,))|flip(x, (0, -1))|fliplr(x)|flipud(x)|rot90(q)|rot90(x, 1, (1, 2))|roll(x, 1, 1)
roll(x, (1, -2), (1, 2))|roll(x, 2)|unfold(b, 2, 3, 2)|unfold(b, 1, 2, 1)|diagonal(q)|diagonal(x, 1, 1, 2)
diag(v)|diag(q)|diag_embed(x)|diag_embed(v, 1)|diag_embed(v, -1)|tril(x)|triu(x, 1)|tril(q, -1)
broadcast_tensors(x, s)|meshgrid(v, v[:2], indexing="ij")|meshgrid(v, v[:2], indexing="xy")
view_as_real(view_as_complex(x.reshape(2, 3, 2, 2)))|gather(x, 1, i)|gather(x, -1, j)|gather(x, 0, h)
index_select(x, 1, k)|index_select(x, -1, k)|select(x, 1, 2)|select(x, -1, 0)|narrow(b, 1, 1, 2)
narrow(b, -1, 2, 3)|scatter(x, 1, i, y)|scatter(x, -1, j, 2.5)|scatter_add(x, 1, i, y)|take_along_dim(x, i, 1)
index_add(x, 1, k, y[:, :2])|index_copy(x, 1, p, y[:, :2])|index_fill(x, 1, k, 0.5)|take_along_dim(x, j, -1)
matmul(x, m)|matmul(x, x.transpose(1, 2))|matmul(v, m)|matmul(x, v)|mm(m.t(), m)|bmm(x, x.transpose(1, 2))
mv(x[0], v)|dot(v, v)|outer(v, v)|addmm(q, q, q, beta=0.5, alpha=2)|baddbmm(x[:, :, :3], x, y.transpose(1, 2))
einsum("bij,jk->bik", x, m)|einsum("b i j, b k j -> b i k", x, y)|einsum("...ij->...ji", x)|tensordot(x, m, 1)
inverse(q @ q.t() + 1)|trace(q)|cdist(x, y)|linalg.vector_norm(x, dim=1)|linalg.norm(x, dim=-1)
linalg.norm(x, ord=1, dim=-1, keepdim=True)|linalg.inv(q @ q.t() + 1)|pixel_shuffle(b.reshape(1, 4, 3, 4), 2)
pixel_unshuffle(b.reshape(1, 2, 4, 6), 2)|channel_shuffle(b.reshape(2, 4, 3, 2), 2)|relu(x)|selu(x)
celu(x, 0.7)|hardshrink(x)|prelu(x, s.reshape(3))|cosine_similarity(x, y)|cosine_similarity(x, y, -1)
abs(fft.fft(v))|abs(fft.rfft2(x))|fft.irfft2(fft.rfft2(b))
fft.irfft2(fft.rfft2(b, norm="ortho"), s=(4, 6), norm="ortho")|abs(fft.fft2(x, dim=(0, 1)))
fft.irfft(fft.rfft(b, dim=1), n=4, dim=1)|abs(fft.fftshift(fft.fft2(x)))|polar(abs(x) + 1, y).real
complex(x, y).imag|conj(complex(x, y)).imag|addmm(q, q, q)|cross(x[..., :3], y[..., :3], dim=-1)
""".replace("\n", "|").strip("|").split("|")  # fmt: skip


class _Torch(dict):
    """Names of an expression in PyTorch: functions first, tensor methods for the others."""

    def __missing__(self, name):
        if name.startswith("__"):
            raise KeyError(name)
        if name == "float":
            return float
        if hasattr(torch, name) and name != "unfold":
            return getattr(torch, name)
        return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


class _Ours(dict):
    def __missing__(self, name):
        if name.startswith("__"):
            raise KeyError(name)
        return float if name == "float" else getattr(ops, name)


METHODS = {"s.expand(": "expand(s, ", "x.transpose(": "transpose(x, ", "y.transpose(": "transpose(y, "} | {
    "m.t()": "t(m)",
    "q.t()": "t(q)",
}


@pytest.mark.parametrize("call", CALLS)
def test_operation(call, same, normal):
    rng = np.random.default_rng(3)
    names = {name: normal(*shape) for name, shape in SHAPES.items()}
    names["i"] = rng.integers(0, 3, (2, 3, 4))
    names["j"] = rng.integers(0, 4, (2, 3, 2))
    names["h"] = rng.integers(0, 2, (1, 3, 4))
    names["k"] = np.array([2, 0])
    names["p"] = np.array([1, 0])
    used = [name for name in names if name in compile(call, "call", "eval").co_names]
    ours = call
    for method, function in METHODS.items():
        ours = ours.replace(method, function)
    code, torch_code = compile(ours, "ours", "eval"), compile(call, "torch", "eval")
    differentiable = not call.startswith(("abs(fft", "scatter(x, 1", "gather(x, 0", "floor_divide"))
    same(
        lambda *arrays: eval(code, _Ours(zip(used, arrays, strict=True))),
        lambda *tensors: eval(torch_code, _Torch(zip(used, tensors, strict=True))),
        *(names[name] for name in used),
        gradient=differentiable,
        constant=True,
        tolerance=2e-4 if "inv" in call or "tan(" in call else 3e-5,
    )
