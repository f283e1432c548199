"""Activations as functions, in place and as layers; dropout; losses."""

from __future__ import annotations

from collections.abc import Iterator

from tests.translators.runtime.catalogue.draw import Case, layers, table

_FUNCTIONS = """
tmi relu(x)
f relu({x|x, inplace=True|n|x, True})
f {relu6|selu|silu|hardswish|hardsigmoid|mish}({x * 3|x * 3, inplace=False})
f {relu_|selu_|elu_|celu_|hardtanh_|leaky_relu_}(x * 3)
f {relu|relu6|hardtanh|leaky_relu|elu|celu|selu|gelu|silu|softplus|softsign|hardshrink|softshrink|logsigmoid|
    tanhshrink|sigmoid}(a)
f {threshold(a, 0.5, 2.0)|hardtanh(a, -0.5, 6.0)|prelu(a, o.reshape(1))|softplus(a, 2.0, 6.0)|rrelu(a)}
t clamp(a, {-0.5, 6|min=1|max=0.5})
f hardtanh({x|x, -0.5, 0.7|x, min_val=0.0, max_val=0.3, inplace=False})
f leaky_relu({x|x, 0.2|x, negative_slope=0.3, inplace=False})
f elu({x|x, 0.7|x, alpha=2.0})
f celu({x|x, 0.6|x, alpha=2.0})
t {celu|selu|rrelu}(x)
f gelu({x * 2|x, approximate="tanh"|x, approximate="none"|f})
f softplus({x * 3|x * 3, 2.0, 1.0|x, beta=0.5|x * 30})
f {softsign|tanhshrink|logsigmoid|sigmoid|tanh}(x * 3)
tmi {sigmoid|tanh}(x)
f hardshrink({x|x, 0.3|x, lambd=1.0})
tm hardshrink({x|x, 0.3})
f softshrink({x|x, 0.3|x, lambd=1.0})
f threshold({x, 0.1, 2.0|x, threshold=0.0, value=-1.0})
t threshold(x, 0.1, 2.0)
f threshold_(x * 1, 0.1, 2.0)
f glu({z|z, 1|z, dim=2|z, -1})
f prelu({x, s.reshape(-1)|x, o.reshape(1)|x, weight=s.reshape(-1)})
tm prelu(x, s.reshape(-1))
f rrelu({x|x, 0.1, 0.4|x, training=False})
f softmax({x, 1|x, dim=-1|x, 0, dtype=torch.float32|f, -1|x.half(), 1, dtype=torch.float32})
f softmax({x|x[0]|x[0, 0]|x[None]})
f log_softmax({x, 1|x, dim=-1|x})
f softmin({x, 1|x, dim=0|x})
f {dropout|alpha_dropout|dropout1d|dropout2d|dropout3d|feature_alpha_dropout}(x{, 0.5, False|
    , p=0.2, training=False|, 0.0, True})
t {dropout|alpha_dropout}(x, 0.5, {False|train=False})
tm softmax({x, 1, torch.float32|x.half(), -1, torch.float32|x.half(), dim=1, dtype=torch.float32})
tm log_softmax({x.half(), 1, torch.float32|x, 1})
"""

_RANDOM = """
f {dropout|alpha_dropout|dropout2d|dropout3d|feature_alpha_dropout}(x, {0.5|p=0.3}, training=True)
f dropout1d(x, {0.5|p=0.3})
f gumbel_softmax({x|x, tau=0.5|x, hard=True, dim=1})
f rrelu(x, training=True)
p torch.{rand|randn}({2, 3|(2, 3)|x.shape|x.shape[0], 1, 1|size=(2, 3)|2, 3, dtype=x.dtype, device=x.device})
p torch.{rand_like|randn_like}({x|x, dtype=torch.float16})
p torch.randint({5, (2, 3)|1, 5, (2,)|low=0, high=3, size=(2, 2)|0, 4, size=x.shape, device=x.device})
p torch.randperm({5|x.shape[0]|4, dtype=torch.int32})
p torch.{bernoulli(u)|bernoulli(x, 0.3)|normal(0.0, 1.0, (2, 3))|normal(x, 1.0)|normal(x, u)|
    normal(mean=0.0, std=1.0, size=(2,))|multinomial(u[0], 2)|multinomial(u[0], 3, replacement=True)|
    randint_like(n, 5)|randint_like(x, 1, 5)|poisson(u)}
p out = torch.zeros_like(x)\\nout.{normal_()|normal_(0, 2)|uniform_()|uniform_(-1, 1)|bernoulli_(0.3)|bernoulli_()|
    exponential_()|log_normal_()|random_(5)|random_(1, 3)|normal_(mean=1.0, std=0.5)|
    bernoulli_(p=0.5)}\\nreturn out
p x.{bernoulli(0.3)|new_empty(2, 3).normal_()|new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(0.7)}
p F.scaled_dot_product_attention(x, x, x, dropout_p=0.3)
"""

_LAYERS = """
image {ReLU|ReLU6|SELU|SiLU|Mish|Hardswish|Hardsigmoid|Sigmoid|Tanh|Softsign|Tanhshrink|LogSigmoid|GELU|ELU|CELU|
    LeakyReLU|Hardtanh|Softplus|Softshrink|Hardshrink|Softmax2d|Identity|Flatten|RReLU}()
image {ReLU|ReLU6|SELU|SiLU|Mish|Hardswish|Hardsigmoid|ELU|CELU|LeakyReLU|Hardtanh}(inplace=True)
image GELU({"tanh"|approximate="tanh"|})
image ELU({0.5|alpha=2.0})
image CELU(alpha=0.5)
image LeakyReLU({0.2|negative_slope=0.3, inplace=True})
image PReLU({4|1||num_parameters=4, init=0.1})
image RReLU({0.1, 0.4|lower=0.2})
image Hardtanh({-0.5, 0.7|min_val=0, max_val=0.3})
image Softplus({2.0, 1.0|beta=0.5})
image Softshrink({0.3|lambd=0.1})
image Hardshrink({0.3|lambd=0.1})
image Threshold({0.1, 3.0|threshold=0.0, value=-1.0, inplace=True})
image GLU({1|dim=1})
image Softmax({1|dim=-1|})
image LogSoftmax({1|dim=-1})
image Softmin({1|dim=2})
image {Dropout|Dropout2d|AlphaDropout|FeatureAlphaDropout}({0.5|p=0.2|0.3, True|})
sequence Dropout1d({0.5|})
volume Dropout3d({0.5|p=0.1})
image Identity({54, unused_argument1=0.1|})
"""

_LOSSES = """
f mse_loss({x, y|x, y, reduction="none"|x, y, reduction="sum"})
f l1_loss({x, y|x, y, reduction="none"|x, y, reduction="sum"})
f smooth_l1_loss({x, y|x, y, beta=0.5|x, y, reduction="none", beta=2.0|x, y, beta=0.0|x, y, reduction="sum"})
f huber_loss({x, y|x, y, delta=0.5|x, y, reduction="none"})
f cross_entropy({m[:2], w[:2].argsort()|x, i[:, 0].clamp(max=1)|x, i[:, 0], reduction="none"|x, u|
    x, i[:, 0], label_smoothing=0.1|x, i[:, 0], (s.reshape(-1) ** 2).detach()|
    x, i[:, 0], weight=(s.reshape(-1) ** 2).detach(), ignore_index=0|x, u, label_smoothing=0.2, reduction="sum"|
    x, i[:, 0], ignore_index=1, label_smoothing=0.1, reduction="sum"|x, u, weight=(s.reshape(-1) ** 2).detach()|
    x[:, :, 0], i[:, 0, 0]|x[0, :, 0], i[0, 0, 0]|x, i[:, 0], (s.reshape(-1) ** 2).detach(), label_smoothing=0.1})
f nll_loss({x, i[:, 0]|x, i[:, 0], (s.reshape(-1) ** 2).detach()|x, i[:, 0], ignore_index=0, reduction="none"|
    x[:, :, 0], i[:, 0, 0], reduction="sum"})
f binary_cross_entropy({u, u * 0.5|u, b.float(), reduction="none"|u, u, u.detach()|
    u, u, weight=u.detach(), reduction="sum"})
f binary_cross_entropy_with_logits({x, u|x, b.float(), reduction="none"|x, u, weight=u.detach()|
    x, u, pos_weight=u[:, :1].detach(), reduction="sum"|x, u, u.detach(), pos_weight=u.detach()})
f kl_div({x, u|x, y, log_target=True|x, u, reduction="batchmean"|x, u, reduction="none"|x, u, reduction="sum"})
f soft_margin_loss({x, torch.sign(y).detach()|x, torch.sign(y).detach(), reduction="none"})
f hinge_embedding_loss({x, torch.sign(y).detach()|x, torch.sign(y).detach(), margin=0.5, reduction="none"})
f margin_ranking_loss({x, y, torch.sign(y).detach()|x, y, torch.sign(y).detach(), margin=0.5, reduction="sum"})
f cosine_embedding_loss({m, m * 2 + 1, torch.sign(v)|m, m + 1, torch.sign(v), margin=0.2, reduction="none"})
f triplet_margin_loss({x, y, u|x, y, u, margin=0.5, p=1|x, y, u, swap=True, reduction="none"})
f gaussian_nll_loss({x, y, u|x, y, u, full=True, reduction="none"|x, y, u[..., :1]|x, y, u, eps=0.5, reduction="sum"})
f poisson_nll_loss({x, u|x, u * 9, full=True|u, u, log_input=False|x, u, reduction="none"})
f multilabel_soft_margin_loss({x[0], b[0].float()|x[0], b[0].float(), u[0, 0]|x[0], b[0].float(), reduction="none"})
f multi_margin_loss({x[:, :, 0], i[:, 0, 0]|x[:, :, 0], i[:, 0, 0], p=2, margin=0.5|
    x[:, :, 0], i[:, 0, 0], reduction="none", weight=(s.reshape(-1) ** 2).detach()})
"""

_LOSS_LAYERS = """
p {MSELoss|L1Loss|SmoothL1Loss|HuberLoss|BCEWithLogitsLoss|KLDivLoss|PoissonNLLLoss}({|reduction="none"|
    reduction="sum"})(x, u)
p BCELoss({|reduction="none"})(u, b.float())
p {CrossEntropyLoss|NLLLoss}({|reduction="sum"|ignore_index=0|})(x, i[:, 0])
p CrossEntropyLoss({label_smoothing=0.1|weight=torch.tensor([1.0, 2.0])|
    torch.tensor([1.0, 2.0]), reduction="none"})(x[:, :2], i[:, 0].clamp(max=1))
p SmoothL1Loss(beta=0.5)(x, y) + nn.HuberLoss(delta=2.0)(x, y)
p {SoftMarginLoss|HingeEmbeddingLoss}({|reduction="sum"})(x, torch.sign(y).detach())
p {MarginRankingLoss}({|margin=0.5})(x, y, torch.sign(u))
p CosineEmbeddingLoss({|margin=0.2})(m, m * 2 + 1, torch.sign(v))
p TripletMarginLoss({|margin=0.5, p=1|swap=True})(x, y, u)
p GaussianNLLLoss({|full=True})(x, y, u)
p MultiLabelSoftMarginLoss()(x[0], b[0].float())
p MultiMarginLoss({|p=2})(x[:, :, 0], i[:, 0, 0])
p PairwiseDistance({|1.0|p=3.0, keepdim=True})(x, y)
p CosineSimilarity({|dim=-1|0, 0.1})(x, y)
p {PairwiseDistance(2.0)|CosineSimilarity()}(x, y)
"""


def cases(draws: int) -> Iterator[Case]:
    yield from table(_FUNCTIONS, draws, 51)
    yield from layers(_LAYERS, draws, 52)


def random(draws: int) -> Iterator[Case]:
    yield from table(_RANDOM, draws, 53, random=True)


def losses(draws: int) -> Iterator[Case]:
    yield from table(_LOSSES, draws, 54)
    yield from table(_LOSS_LAYERS.replace("p ", "p nn."), draws, 55)
