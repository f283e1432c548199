"""Every operation of the runtime over its parameters, drawn at random: what the parity tests run and the docs list."""

from tests.translators.runtime.catalogue import (
    activation,
    convolution,
    elementwise,
    indexing,
    layers,
    products,
    reduction,
    remaining,
    shape,
)

FAMILIES = {
    "elementwise": elementwise.cases,
    "types": elementwise.types,
    "reduction": reduction.cases,
    "shape": shape.cases,
    "creation": shape.creation,
    "indexing": indexing.cases,
    "products": products.cases,
    "activation": activation.cases,
    "random": activation.random,
    "losses": activation.losses,
    "convolution": convolution.cases,
    "layers": layers.cases,
    "functions": layers.functions,
    "sequences": layers.sequences,
    "remaining": remaining.cases,
}
