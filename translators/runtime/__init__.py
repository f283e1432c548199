"""PyTorch's layers and operations on `flax.nnx` and JAX: same names, arguments, defaults, state names and results.

Translated source imports four names from here: `nn` (layers), `functional` (usually as `F`), `ops` (what `torch.*` and
tensor methods do, one name for both) and `init`. Axis order is PyTorch's; parameters are NumPy arrays until a program
runs. `__all__` of the four is the declaration of what is supported.
"""
