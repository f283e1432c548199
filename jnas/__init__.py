"""jnas: neural architecture search over trees of mined blocks, in JAX."""

__version__ = "0.1.0"
