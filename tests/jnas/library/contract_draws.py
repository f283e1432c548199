"""Draws of places and arguments from contracts, and what comes of them when they are executed abstractly."""

import random
from dataclasses import dataclass

from jnas.library.binding import BindError, bind, contract_of, open_arguments, output_shape
from jnas.library.execution import Failure, Place, execute
from jnas.library.store import load_class

WIDTHS = (1, 2, 3, 8, 12, 16, 24, 32, 40, 48, 64, 96, 128, 192)
SIZES = (1, 2, 4, 6, 7, 8, 12, 14, 15, 16, 20, 21, 28, 31, 32, 48, 56)


@dataclass(frozen=True)
class Draw:
    """`expected` and `found` are shapes of the output tensor; None where `bind` refuses, a failure where it raises."""

    arguments: dict
    place: Place
    expected: tuple[int, ...] | None
    found: tuple[int, ...] | Failure | None

    @property
    def holds(self) -> bool:
        return self.expected == self.found


def draw(block, rng: random.Random) -> Draw:
    """One draw: a place that is likely to fit, some of the arguments that are offered there, any mode."""
    contract = contract_of(block)
    width = contract.exact_width or rng.choice(WIDTHS) * contract.width_multiple
    height, breadth = (rng.choice(SIZES) * contract.size_multiple for _ in range(2))
    if contract.square or rng.random() < 0.5:
        breadth = height
    shape = (min(width, 1024), min(height, 112), min(breadth, 112))
    training = rng.random() < 0.5
    # Statistics over a single value per channel are an error in training, as in PyTorch.
    place = Place(shape, contract.layout, 2 if training else rng.choice((1, 2)), training)
    offered = open_arguments(block, shape)
    arguments = {name: rng.choice(values) for name, values in offered.items() if rng.random() < 0.4}
    try:
        values, outgoing = bind(block, arguments, shape), output_shape(block, arguments, shape)
    except BindError:
        return Draw(arguments, place, None, None)
    if min(outgoing) < 1:
        return Draw(arguments, place, None, None)
    expected = Place(outgoing, contract.output_layout, place.batch).tensor
    return Draw(arguments, place, expected, execute(load_class(block), values, place))
