from __future__ import annotations

import jax
import numpy as np

from jnas.training.images import gather, gather_moved, mixed, normalise, with_holes

IMAGES = np.random.default_rng(0).integers(1, 256, (5, 6, 7, 3), np.uint8)


def test_moved_and_mirrored_like_a_padded_crop_and_a_flip() -> None:
    indices = np.array([4, 0, 2, 2], np.int32)
    moves = np.array([[0, 0], [2, -1], [-2, 2], [0, 0]], np.int32)
    mirrored = np.array([False, False, True, True])
    got = np.asarray(jax.jit(gather_moved)(IMAGES, indices, moves, mirrored))
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for image, index, (down, right), mirror in zip(got, indices, moves, mirrored, strict=True):
        expected = padded[index, 2 - down : 8 - down, 2 - right : 9 - right]
        assert np.array_equal(image, expected[:, ::-1] if mirror else expected)


def test_plain_gathering_keeps_images_as_they_are() -> None:
    assert np.array_equal(gather(IMAGES, np.array([3, 1])), IMAGES[[3, 1]])


def test_normalised_images_are_channels_first_with_unit_spread() -> None:
    mean, std = IMAGES.mean((0, 1, 2)), IMAGES.std((0, 1, 2))
    x = np.asarray(normalise(IMAGES, mean, std))
    assert x.shape == (5, 3, 6, 7) and x.dtype == np.float32
    np.testing.assert_allclose(x.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 2, 3)), 1, rtol=1e-5)


def test_holes_are_squares_that_may_reach_over_the_border() -> None:
    batch = np.ones((2, 3, 6, 7), np.float32)
    holed = np.asarray(jax.jit(with_holes)(batch, np.array([[3, 3], [0, 6]]), np.float32(2)))
    expected = np.ones((2, 6, 7))
    expected[0, 2:4, 2:4] = 0
    expected[1, :1, 5:] = 0
    assert np.array_equal(holed, np.broadcast_to(expected[:, None], holed.shape))


def test_mixtures_take_the_rest_from_the_example_before() -> None:
    values = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(mixed(values, np.float32(0.75))[1], [0.25, 0.75, 0])
