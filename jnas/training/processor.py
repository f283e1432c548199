"""What training on a CPU asks of its process and of its compiler (measured: docs/training.md)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache

# The memory of a step is taken anew at each step; in small pages a fifth of its time goes into faults. Of glibc alone.
HUGE_PAGES: Mapping[str, str] = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

# By itself XLA gives sums to YNNPACK, with all values before them that nothing else reads: few in training, for values
# are kept for the gradient, but without one whole networks with their convolutions, which is no quicker and, where two
# convolutions of stride two read a product of three, ends the process (jaxlib 0.10.2).
_FORWARD: dict[str, str | bool] = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}


@cache
def forward_options(platform: str) -> dict[str, str | bool]:
    """Of a program without a gradient, for `jax.stages.Lowered.compile`; none where this jaxlib does not know them."""
    import jax

    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda: 0).lower().compile(compiler_options=_FORWARD)
    except jax.errors.JaxRuntimeError:
        return {}
    return _FORWARD


def restart_with_huge_pages() -> None:
    """Begins this command again with the setting, which glibc reads at the start of a process; once, on Linux alone."""
    if sys.platform == "linux" and not os.environ.keys() & HUGE_PAGES.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **HUGE_PAGES})
