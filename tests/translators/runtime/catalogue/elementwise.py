"""Element by element: functions, arithmetic, comparisons, promotion of types, Python's operators."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, table

_FUNCTIONS = """
tmi abs({x|n|x})
tmi absolute(x)
tmi neg({x|d})
tmi negative(x)
tm positive(x)
tmi sign({x|n})
tmi sgn({x|n})
tmi square({x|n})
tmi exp({x|f})
tm exp(n)
tmi exp2(x)
tmi expm1(x)
tmi log(u)
tm log(torch.abs(d))
tmi log2(u)
tmi log10(u)
tmi log1p(u)
tmi sqrt(u)
tmi rsqrt(u)
tmi reciprocal(u)
tm reciprocal(d)
tmi sin(x)
tmi cos({x|x})
tmi tan(x)
tmi asin(u)
tmi acos(u)
tmi atan(x)
tmi arcsin(u)
tmi arccos(u)
tmi arctan(x)
tmi sinh(x)
tmi cosh(x)
tmi tanh({x|f})
tm asinh(x)
i- asinh(x)
tm acosh(1 + u)
i- acosh(1 + u)
tm atanh(u)
i- atanh(u)
tm arcsinh(x)
i- arcsinh(x)
tm arccosh(1 + u)
i- arccosh(1 + u)
tm arctanh(u)
i- arctanh(u)
tmi sinc(x)
tmi sigmoid({x|f})
tm sigmoid(n)
p torch.special.expit(x)
tmi logit({u|u, 1e-6|x, eps=0.1})
p torch.special.logit(u, eps=0.2)
tmi erf(x)
tmi erfc(x)
tmi erfinv(u)
p torch.special.erf(x) + torch.special.erfc(x) + torch.special.erfinv(u)
tmi lgamma(u)
tmi digamma(u)
p torch.special.gammaln(u) + torch.special.digamma(u) + torch.special.psi(u)
tmi i0(x)
p torch.special.{i0e|i1|i1e|log1p|expm1|exp2|ndtr|log_ndtr|entr|sinc|i0}(u)
p torch.special.{xlogy|xlog1py}(u, u + 1)
p torch.special.{softmax|log_softmax|logsumexp}(x, dim=1)
tmi floor({x * 3|n})
tmi ceil({x * 3|n})
tmi trunc({x * 3|n})
tmi fix(x * 3)
tmi frac(x * 3)
tmi round({x * 3|x, decimals=1|x * 100, decimals=-1})
tmi deg2rad(x * 90)
tmi rad2deg(x)
tmi nan_to_num({x / (x > 0)|x / (x > 0), 1.5|x / 0.0, nan=1.0, posinf=2.0, neginf=-3.0})
tm isnan({x / 0.0 - x / 0.0|n})
tm isinf({x / (x > 0)|n})
tm isfinite({x / (x > 0)|n})
tm isposinf(x / (x > 0))
tm isneginf(x / (x > 0))
tm isreal({x|c})
tm signbit({x|n})
tmi logical_not({b|n|x > 0})
tmi bitwise_not({n|b})
"""

_BINARY = """
tmi add({x, y|x, s|x, 2.5|x, y, alpha=2|n, n, alpha=-3|x, n|f, 1.5})
tm add({n, 1.5|n, x|b, b|b, 1|e, n|n, x, alpha=0.5})
tmi sub({x, y|x, 1|x, s, alpha=0.5|n, 3})
tmi subtract({x, y|x, 1, alpha=2})
t rsub({x, y|x, 2|x, y, alpha=0.5})
tmi mul({x, y|x, s|x, 2.5|n, 3|x, b|f, 2})
tm mul({n, 0.5|n, x|b, x|e, 2|e, e})
tmi multiply({x, y|x, 3})
tmi div({x, u|x, 0.3|x, 0.3, rounding_mode="floor"|x, 0.3, rounding_mode="trunc"|x, u, rounding_mode=None})
tm div({n, d|n, 2|n, d, rounding_mode="floor"|n, d, rounding_mode="trunc"|n, 2, rounding_mode="trunc"|
    n, 0.5, rounding_mode="floor"|e, 7})
tmi divide({x, u|x, 0.3, rounding_mode="floor"})
tmi true_divide({x, u|x, 3})
tmi- floor_divide({x, 0.3|n, d|n, 2|n, -3|x, u})
tmi fmod({x, 0.4|n, d|n, 3|x, u})
tmi remainder({x, 0.4|n, d|n, 3|n, -3|x, -u})
tmi pow({x, 2|x, 3|u, 0.5|u, x|n, 2|u, -1})
t pow({2, x|2.5, x|n, 0.5 * 4})
tm float_power({n, 2|u, 0.5|u, x})
tmi atan2({x, y|x, s})
tmi arctan2(x, y)
tm maximum({x, y|x, s|n, d|e, e})
tm minimum({x, y|x, s|n, d})
tm fmax({x, y|x / (x > 0) * 0, y})
tm fmin({x, y|x / (x > 0) * 0, y})
tm max(x, y)
tm min(x, s)
tmi copysign({x, y|x, -1.0|x, s})
tmi hypot(x, y)
tm logaddexp({x, y|x, s})
tm logaddexp2(x, y)
tmi xlogy({x, u|x, 2.0})
tmi- ldexp(x, n)
tmi- heaviside({x, s|x, torch.zeros(1)})
tmi gcd({n, d})
tmi lcm({n, d})
tmi- nextafter(x, y)
tm- igamma(u, u + 1)
tm- igammac(u, u + 1)
tmi addcmul({x, y, s|x, y, s, value=2|x, y, y, value=-0.5})
tmi addcdiv({x, y, u|x, y, u, value=2})
tmi lerp({x, y, 0.3|x, y, u|x, y, weight=0.7})
tmi clamp({x, 0.1|x, max=0.2|x, -0.3, 0.4|x, 0.5, -0.5|n, 2|n, -2, 3|x, min=0})
tm clamp({x, y|x, s, y|n, 0.5|x, min=s|x, max=y})
tmi clip({x, 0.1|x, max=0.2|x, -0.3, 0.4})
tmi clamp_min({x, 0|n, 2})
tmi clamp_max({x, 0.5|n, 2})
tmi eq({x, x|x, 1|n, d})
tmi ne({x, y|n, 1})
tmi not_equal(x, y)
tmi lt({x, y|x, 0})
tmi less(x, y)
tmi le({x, y|n, 0})
tmi less_equal(x, y)
tmi gt({x, y|x, 0|x, s})
tmi greater(x, y)
tmi ge({x, 0|n, d})
tmi greater_equal(x, y)
tmi logical_and({b, g|x > 0, b|n, b})
tmi logical_or({b, g|n, d})
tmi logical_xor({b, g})
tmi bitwise_and({n, d|b, g|n, 3})
tmi bitwise_or({n, d|b, g})
tmi bitwise_xor({n, d|b, g})
tmi bitwise_left_shift({d, 2|torch.abs(d), 1})
tmi bitwise_right_shift({d, 1|n, 2})
tm isclose({x, x + 1e-9|x, y|x, y, rtol=0.5|x, y, atol=1.0})
p torch.where({x > 0, x, y|b, x, 0.5|b, 1.0, y|b, s, y|b, n, d|b, n, x|x > 0, 1, 0|b, 1.0, 0.0})
p x.where(b, {y|s|0.5})
tmi masked_fill({x, b, -1.5|x, b, 0|x, x > 0, float("-inf")|n, b, 3|x, b, o})
"""

# Values that round differently by one step of a type, and compound expressions.
_OPERATORS = """
p {x + y|x - y|x * s|x / u|x % 0.4|x ** 2|2 ** x|-x|+x|abs(x)|1 - x|1 / u|u ** x}
p- {x // 0.3|x // u|3 // u|3 % u|f // 0.5}
p {n + d|n - d|n * d|n / d|n // d|n % d|n ** 2|-n|n // 2|n // -2|n % -3|n / 2|n * 0.5|n + 0.5|7 // d|7 % d|~n|
    n << 1|n >> 1|n & d|n | d}
p {n ^ d|b & g|b | g|b ^ g|~b|b + g|b * g|b * x|b + 1|b * 1.0|b / 2|x > 0|x >= y|x == x|x != y|x <= 0|n < d|n == d|
    b == g|b == 0}
p {e + e|e - e|e * e|e // 3|e % 3|e / 3|e + 1|e * 0.5|e + n|f + 1|f * 0.5|f * x|f + f|-f|f / 3|f ** 2|f > 0}
p {x + n|x * d|n * x|x - b.float()|1 - b.float()|x.float() / 2|n.float() / 2|(x > 0).float()|n.double() * 0.1|
    x.half() * 2}
p {c + c|c * c|c - x|c * x|c / (2 + c * 0)|c * 2j|c.real|c.imag|c.abs()|-c|c.conj()|c == c}
p out = x * 1\\nout {+|-|*|/}= {y|2|s|u + 2}\\nreturn out
p out = n * 1\\nout {+|-|*|//|%}= {2|d|3}\\nreturn out
p out = b & True\\nout {&|^}= g\\nreturn out
p out = b & True\\nout |= g\\nreturn out
p (x > 0) & (y > 0) | ~(x > y)
p x.T if x.ndim == 2 else x.mT
p q.T @ q + q.mT
"""

_COMPLEX = """
t real({c|x})
t imag(c)
tm angle({c|x})
tm conj({c|x})
tm conj_physical(c)
tm resolve_conj(c)
tm resolve_neg(c)
tm abs(c)
tm exp(c)
t complex(x, y)
t polar(u, x)
t view_as_complex(torch.stack([x, y], -1))
t view_as_real(c)
t view_as_real(torch.view_as_complex(z.reshape(z.shape[0], 6, 2, 2)) * 2j)
tm is_complex({x|c|x.float()})
"""

_TYPES = """
m float({n|b|x|f|e})
m double({x|n})
m half(x)
m bfloat16({x|n})
m int({x * 9|b|n})
m long({x * 9|b|e})
m short(n)
m char(n)
m byte(torch.abs(n))
m bool({n|x|b})
m cfloat({x|c})
m to({x, torch.float16|n, torch.float32|x, n|x, dtype=torch.bfloat16|x, "cpu"|x, "cpu", torch.float64|
    x, torch.device("cpu")|n, x.dtype|x, torch.long|x, n, copy=True})
m type({x, torch.float16|n, torch.float32|n, torch.FloatTensor|x, x.dtype|x, "torch.LongTensor"|x, dtype=torch.int32})
m type_as({x, n|n, x|b, x})
p x.{data|detach()|contiguous()|clone()|cpu()} * 2
p n.to(x) * x.to(torch.half).to(x.device)
p {x|n|f|c}.{dtype.is_floating_point|dtype.is_complex|is_floating_point()|is_complex()|dtype.itemsize|
    element_size()|itemsize|is_cuda|ndim}
p torch.is_floating_point({x|n|f}), torch.is_complex(x), torch.is_tensor(x), torch.numel(x), {x|e|n}.is_signed()
p x * torch.finfo({x.dtype|torch.float16|torch.bfloat16|torch.float32|torch.float|torch.half}).{eps|tiny|
    smallest_normal|resolution}
p torch.finfo({x.dtype|torch.float16|f.dtype}).{min|max|bits}
p torch.iinfo({torch.int16|torch.uint8|torch.int|torch.int8}).{max|min|bits}
p {x.dtype == torch.float32|x.dtype == torch.float|e.dtype == torch.uint8|x.dtype in (torch.half, torch.bfloat16)|
    torch.float == x.dtype|x.dtype != torch.float16|x.dtype is torch.float32}
p torch.{promote_types(torch.float16, torch.float32)|promote_types(torch.float16, torch.bfloat16)|
    get_default_dtype()} == torch.float32
p x.new_tensor([1, 2]).dtype == x.dtype, isinstance(x, torch.Tensor), x.is_contiguous()
p torch.equal(torch.ones(2), torch.ones(2)), torch.allclose(torch.ones(2), torch.ones(2))
"""  # fmt: skip


def cases(draws: int) -> Iterator[Case]:
    yield from table(_FUNCTIONS, draws, 1, constant=True)
    yield from table(_BINARY, draws, 2, constant=True)


def types(draws: int) -> Iterator[Case]:
    yield from table(_OPERATORS, draws, 3, constant=True)
    yield from table(_COMPLEX, draws, 4, constant=True)
    yield from table(_TYPES, draws, 5, constant=True)
