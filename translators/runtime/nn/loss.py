"""Loss layers: a loss function with its options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from translators.runtime import functional as F
from translators.runtime.arrays import public
from translators.runtime.module import Module


class _Loss(Module):
    """`options` are arguments of the loss function by name."""

    def __init__(self, reduction: str = "mean", **options: Any):
        super().__init__()
        self.reduction = reduction
        self._options = tuple(options)
        for name, option in options.items():
            setattr(self, name, option)

    def _measured(self, loss: Callable, *arrays: Any) -> Any:
        return loss(*arrays, reduction=self.reduction, **{name: getattr(self, name) for name in self._options})


class _WeightedLoss(_Loss):
    """`weight`, and what else is an array, is a buffer."""

    def __init__(self, reduction: str, weight: Any, **options: Any):
        super().__init__(reduction, **options)
        self._options = ("weight", *self._options)
        self.register_buffer("weight", weight)


class MSELoss(_Loss):
    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.mse_loss, input, target)


class L1Loss(MSELoss):
    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.l1_loss, input, target)


class SoftMarginLoss(MSELoss):
    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.soft_margin_loss, input, target)


class SmoothL1Loss(_Loss):
    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0):
        super().__init__(reduction, beta=beta)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.smooth_l1_loss, input, target)


class HuberLoss(_Loss):
    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        super().__init__(reduction, delta=delta)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.huber_loss, input, target)


class NLLLoss(_WeightedLoss):
    def __init__(
        self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
        reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(reduction, weight, ignore_index=ignore_index)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.nll_loss, input, target)


class CrossEntropyLoss(_WeightedLoss):
    def __init__(
        self, weight: Any = None, size_average: Any = None, ignore_index: int = -100, reduce: Any = None,
        reduction: str = "mean", label_smoothing: float = 0.0,
    ):  # fmt: skip
        super().__init__(reduction, weight, ignore_index=ignore_index, label_smoothing=label_smoothing)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.cross_entropy, input, target)


class BCELoss(_WeightedLoss):
    def __init__(self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(reduction, weight)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.binary_cross_entropy, input, target)


class MultiLabelSoftMarginLoss(BCELoss):
    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.multilabel_soft_margin_loss, input, target)


class BCEWithLogitsLoss(_WeightedLoss):
    def __init__(
        self, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        pos_weight: Any = None,
    ):  # fmt: skip
        super().__init__(reduction, weight)
        self._options = (*self._options, "pos_weight")
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.binary_cross_entropy_with_logits, input, target)


class KLDivLoss(_Loss):
    def __init__(self, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False):
        super().__init__(reduction, log_target=log_target)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.kl_div, input, target)


class PoissonNLLLoss(_Loss):
    def __init__(
        self, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8,
        reduce: Any = None, reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(reduction, log_input=log_input, full=full, eps=eps)

    def forward(self, log_input: Any, target: Any) -> Any:
        return self._measured(F.poisson_nll_loss, log_input, target)


class GaussianNLLLoss(_Loss):
    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean"):
        super().__init__(reduction, full=full, eps=eps)

    def forward(self, input: Any, target: Any, var: Any) -> Any:
        return self._measured(F.gaussian_nll_loss, input, target, var)


class _MarginLoss(_Loss):
    def __init__(self, margin: float = 0.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(reduction, margin=margin)


class MarginRankingLoss(_MarginLoss):
    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return self._measured(F.margin_ranking_loss, input1, input2, target)


class CosineEmbeddingLoss(_MarginLoss):
    def forward(self, input1: Any, input2: Any, target: Any) -> Any:
        return self._measured(F.cosine_embedding_loss, input1, input2, target)


class HingeEmbeddingLoss(_MarginLoss):
    def __init__(self, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"):
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.hinge_embedding_loss, input, target)


class MultiMarginLoss(_WeightedLoss):
    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, size_average: Any = None, reduce: Any = None,
        reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(reduction, weight, p=p, margin=margin)

    def forward(self, input: Any, target: Any) -> Any:
        return self._measured(F.multi_margin_loss, input, target)


class TripletMarginLoss(_Loss):
    def __init__(
        self, margin: float = 1.0, p: float = 2.0, eps: float = 1e-6, swap: bool = False, size_average: Any = None,
        reduce: Any = None, reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(reduction, margin=margin, p=p, eps=eps, swap=swap)

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return self._measured(F.triplet_margin_loss, anchor, positive, negative)


class TripletMarginWithDistanceLoss(_Loss):
    def __init__(
        self, *, distance_function: Callable | None = None, margin: float = 1.0, swap: bool = False,
        reduction: str = "mean",
    ):  # fmt: skip
        super().__init__(reduction, distance_function=distance_function, margin=margin, swap=swap)

    def forward(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return self._measured(F.triplet_margin_with_distance_loss, anchor, positive, negative)


__all__ = public(globals())
