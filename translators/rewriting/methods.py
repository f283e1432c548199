"""Tensor methods: which attribute calls `x.name(...)` are operations on tensors."""

from __future__ import annotations

from translators.rewriting import names

# Methods of torch.Tensor that a receiver of unknown type may have been meant for, beyond those that the runtime offers.
# A call of one of these on an unknown receiver is refused instead of failing when it runs.
KNOWN = names.words(
    """absolute acos acosh addbmm addmv addr adjoint align_as align_to allclose aminmax angle apply_ arccos arccosh
    arcsin arcsinh arctan arctan2 arctanh argwhere as_strided as_strided_scatter as_subclass asin asinh atan2 atanh
    backward baddbmm bernoulli bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
    bitwise_xor bmm broadcast_to bucketize byte cauchy_ cdouble cfloat char cholesky cholesky_inverse cholesky_solve
    clamp_max clamp_min conj conj_physical copysign corrcoef cosh count_nonzero cov cross cummax cummin cumprod cumsum
    deg2rad dense_dim dequantize det diag diag_embed diagflat diagonal diagonal_scatter diff digamma dist dot dsplit
    eq equal erf erfc erfinv exp2 expm1 fix float_power fmax fmin fmod frac frexp gather gcd geometric_ geqrf ger
    greater greater_equal heaviside histc histogram hsplit hypot i0 igamma igammac imag index_add index_copy
    index_fill index_put index_put_ index_reduce inner inverse isclose isfinite isinf isnan isneginf isposinf isreal
    istft item kthvalue lcm ldexp lerp less_equal lgamma log10 log1p log2 log_normal_ logaddexp logaddexp2
    logcumsumexp logdet logical_and logical_not logical_or logical_xor logit logsumexp lu lu_solve map_ masked_scatter
    masked_scatter_ masked_select matmul matrix_exp matrix_power median mm mode moveaxis movedim msort multinomial
    multiply mv mvlgamma nan_to_num nanmean nanmedian nanquantile nansum narrow_copy negative nextafter nonzero
    nonzero_static norm orgqr ormqr outer pinverse polygamma positive prelu put put_ qr quantile rad2deg ravel
    reciprocal record_stream register_hook remainder renorm resize_ resize_as_ resolve_conj retain_grad rot90
    scatter_reduce searchsorted select_scatter sgn share_memory_ signbit sinc sinh slogdet slice_scatter smm softmax
    sort sparse_mask sspaddmm sth stft storage subtract sum_to_size svd swapaxes swapdims take take_along_dim
    tensor_split tile to_dense to_mkldnn to_sparse tolist topk trace triangular_solve trunc unflatten unfold unique
    unique_consecutive unravel_index vander var vdot vsplit xlogy numpy"""
)

# Attributes and methods that lists, dicts, strings and modules share with no tensor operation worth refusing.
_NOT_TENSOR = names.words(
    """copy count index sort insert append extend pop remove get items keys values update format"""
)

# Methods that return a view of their receiver: writing into the result writes into the receiver.
VIEWS = names.words(
    """view view_as reshape reshape_as permute transpose movedim moveaxis swapaxes swapdims t flatten unflatten squeeze
    unsqueeze expand expand_as narrow select diagonal unfold chunk split split_with_sizes unbind tensor_split hsplit
    vsplit dsplit contiguous to type type_as float half double detach data cuda cpu requires_grad_ as_strided real
    imag ravel broadcast_to"""
)


def is_operation(method: str) -> bool:
    """Whether the runtime offers `x.method(...)` as `ops.method(x, ...)`."""
    return method in names.runtime_names("ops")


def is_unsupported(method: str) -> bool:
    """Whether `x.method(...)` is a tensor operation that the runtime lacks."""
    return method in KNOWN and method not in _NOT_TENSOR and not is_operation(method)


def is_in_place(method: str) -> bool:
    """Whether `x.method(...)` writes into x."""
    return (
        method.endswith("_")
        and not method.startswith("_")
        and method not in ("requires_grad_",)
        and is_operation(method)
    )
