"""Every operation of the runtime over its parameters, drawn at random: what the parity tests run and the docs list."""

from tests.translators.runtime.catalogue import elementwise, indexing, products, reduction, shape

FAMILIES = {
    "elementwise": elementwise.cases,
    "types": elementwise.types,
    "reduction": reduction.cases,
    "shape": shape.cases,
    "creation": shape.creation,
    "indexing": indexing.cases,
    "products": products.cases,
}
