"""Tensor methods: which attribute calls `x.name(...)` are operations on tensors."""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any

from translators.rewriting import names

# The methods of torch.Tensor (2.13) that the runtime lacks. A call of one of these on what may be a tensor is refused
# when it is translated, instead of failing when it runs.
KNOWN = names.words(
    """apply_ argwhere as_strided as_strided_ as_strided_scatter as_subclass backward cauchy_ ccol_indices chalf
    cholesky_inverse cholesky_solve coalesce col_indices const_data_ptr corrcoef cov crow_indices data_ptr dense_dim
    dequantize dim_order eig frexp geometric_ geqrf get_device hash_tensor histc histogram index index_reduce
    index_reduce_ indices int_repr ipu is_coalesced is_conj is_distributed is_inference is_neg is_pinned is_set_to
    is_shared istft lstsq lu lu_solve map2_ map_ masked_select mode module_load mtia mvlgamma mvlgamma_ nanmedian
    nanquantile narrow_copy new_empty_strided nonzero nonzero_static orgqr ormqr polygamma_ q_per_channel_axis
    q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qr qscheme record_stream register_hook
    register_post_accumulate_grad_hook reinforce renorm renorm_ resize resize_ resize_as resize_as_
    resize_as_sparse_ retain_grad row_indices set_ slice_inverse smm solve sparse_dim sparse_mask sparse_resize_
    sparse_resize_and_clear_ sspaddmm stft storage storage_offset storage_type stride svd symeig to_dense to_mkldnn
    to_padded_tensor to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr
    triangular_solve unique unique_consecutive unsafe_split_with_sizes untyped_storage values xpu"""
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
    imag ravel broadcast_to adjoint unsafe_chunk unsafe_split positive"""
)


def is_operation(method: str) -> bool:
    """Whether the runtime offers `x.method(...)` as `ops.method(x, ...)`."""
    return method in names.runtime_names("ops")


def is_unsupported(method: str) -> bool:
    """Whether `x.method(...)` is a tensor operation that the runtime lacks."""
    return method in KNOWN and method not in _NOT_TENSOR and not is_operation(method)


@functools.cache
def in_place_position(name: str) -> int | None:
    """Where a layer or function of torch takes `inplace` among its positional arguments; None when it does not."""
    for prefix, module in names.RUNTIME_MODULES:
        if name.startswith(prefix + "."):
            found: Any = getattr(
                importlib.import_module(f"translators.runtime.{module}"), name[len(prefix) + 1 :], None
            )
            if not callable(found):
                return None
            signed: Any = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
            taken = list(inspect.signature(signed).parameters)[isinstance(found, type) :]
            return taken.index("inplace") if "inplace" in taken else None
    return None


def is_in_place(method: str) -> bool:
    """Whether `x.method(...)` writes into x."""
    return (
        method.endswith("_")
        and not method.startswith("_")
        and method not in ("requires_grad_",)
        and is_operation(method)
    )
