"""A contract never lies: what `bind` accepts executes, with the shape that `output_shape` says."""

import random

import pytest

from jnas.library.declarations import OWN_BLOCKS
from tests.jnas.library.contract_draws import draw


@pytest.mark.parametrize("block", OWN_BLOCKS.values(), ids=OWN_BLOCKS)
def test_our_contracts_hold_for_drawn_places_and_arguments(block):
    rng = random.Random(block.name)
    draws = [draw(block, rng) for _ in range(6)]
    assert [one for one in draws if not one.holds] == []
    assert any(one.expected is not None for one in draws)
