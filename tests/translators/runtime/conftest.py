"""What the parity tests share: the same call in PyTorch and here, compared in value and in input gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _leaves(tree):
    """The tensors of a result in order; PyTorch's named pairs are tuples that JAX does not know."""
    return [leaf for x in tree for leaf in _leaves(x)] if isinstance(tree, (tuple, list)) else [tree]


def _arrays(tree):
    return [np.asarray(x.detach().resolve_neg() if hasattr(x, "detach") else x) for x in _leaves(tree)]


def _close(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(b).max(initial=0))))


@pytest.fixture
def same():
    torch = pytest.importorskip("torch")

    def check(ours, theirs, *inputs, tolerance=2e-5, gradient=True, constant=False):
        """`ours(*inputs)`, traced, must equal `theirs(*inputs)` on tensors, and so must the gradients of the inputs.

        With `constant` the NumPy path, taken by everything that is not traced, is compared as well.
        """
        tensors = [torch.tensor(x, requires_grad=gradient and x.dtype == np.float32) for x in inputs]
        expected = theirs(*tensors)
        outputs = [x for x in _leaves(expected) if x.requires_grad]
        rng = np.random.default_rng(1)
        weights = [rng.standard_normal(x.shape).astype(np.float32) for x in outputs]
        floats = tuple(i for i, x in enumerate(inputs) if x.dtype == np.float32 and gradient and outputs)

        def loss(*given):
            result = ours(*given)
            leaves = [x for x in _leaves(result) if jnp.issubdtype(x.dtype, jnp.floating)]
            return sum(jnp.sum(x * w) for x, w in zip(leaves, weights, strict=False)), result

        with jax.default_matmul_precision("highest"):
            # Programs that run once: compiling them well takes longer than running them badly.
            fast = {"xla_backend_optimization_level": 0}
            program = jax.value_and_grad(loss, floats, has_aux=True) if floats else ours
            result = jax.jit(program).lower(*inputs).compile(compiler_options=fast)(*inputs)
            (_, result), gradients = result if floats else ((None, result), ())
            _close(_arrays(result), _arrays(expected), tolerance)
            if constant:
                _close(_arrays(ours(*inputs)), _arrays(expected), tolerance)
        if floats:
            sum((x * torch.tensor(w)).sum() for x, w in zip(outputs, weights, strict=True)).backward()
        for i, g in zip(floats, gradients, strict=True):
            theirs_gradient = tensors[i].grad
            _close(
                [np.asarray(g)], [np.zeros_like(g) if theirs_gradient is None else theirs_gradient.numpy()], tolerance
            )

    return check


@pytest.fixture
def normal():
    """Draws float32 arrays of N(0, 1)."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.standard_normal(shape).astype(np.float32)
