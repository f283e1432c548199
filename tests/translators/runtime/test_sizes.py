"""Sizes that leave nothing are errors, as in PyTorch: XLA would go on with empty arrays, whose mean is no number."""

import numpy as np
import pytest

from translators.runtime import functional as F


@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution_with_a_kernel_larger_than_its_input_raises(groups):
    weight = np.ones((4, 4 // groups, 2, 2), np.float32)
    with pytest.raises(ValueError, match="larger weight"):
        F.conv2d(np.ones((1, 4, 1, 5), np.float32), weight, stride=2, groups=groups)
    assert F.conv2d(np.ones((1, 4, 1, 5), np.float32), weight, padding=1, groups=groups).shape == (1, 4, 2, 6)


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_a_pool_without_a_window_raises(pool):
    with pytest.raises(ValueError, match="leaves nothing"):
        pool(np.ones((1, 4, 1, 5), np.float32), 2)
    assert pool(np.ones((1, 4, 1, 5), np.float32), 2, ceil_mode=True).shape == (1, 4, 1, 3)
