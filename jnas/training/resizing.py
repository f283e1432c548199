"""Images brought to one size, on request only: the short side to it, the rest cut off around the middle."""

from __future__ import annotations

import numpy as np


def resized(image: np.ndarray, size: int | None) -> np.ndarray:
    """uint8 (H, W, C) -> (size, size, C), by Pillow's bilinear filter; as it is for None or at that size."""
    from PIL import Image

    height, width, channels = image.shape
    if size is None or (height, width) == (size, size):
        return image
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(image[..., 0] if channels == 1 else image)
    box = (left, top, left + short, top + short)
    result = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR, box=box))
    return result.reshape(size, size, channels)
