"""What the parity tests share: the same call in PyTorch and here, compared in value and in the gradient of its inputs."""

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

    def check(ours, theirs, *inputs, tolerance=2e-5, gradient=True):
        """`ours(*inputs)` on JAX and on NumPy arrays must equal `theirs(*inputs)` on tensors, and so must gradients."""
        tensors = [torch.tensor(x, requires_grad=gradient and x.dtype == np.float32) for x in inputs]
        expected = theirs(*tensors)
        with jax.default_matmul_precision("highest"):
            result = jax.jit(ours)(*inputs)
            _close(_arrays(result), _arrays(expected), tolerance)
            _close(_arrays(ours(*inputs)), _arrays(expected), tolerance)
            outputs = [x for x in _leaves(expected) if x.requires_grad]
            if not gradient or not outputs:
                return
            rng = np.random.default_rng(1)
            weights = [rng.standard_normal(x.shape).astype(np.float32) for x in outputs]
            sum((x * torch.tensor(w)).sum() for x, w in zip(outputs, weights, strict=True)).backward()
            floats = [i for i, x in enumerate(inputs) if x.dtype == np.float32]

            def loss(*chosen):
                given = list(inputs)
                for i, x in zip(floats, chosen, strict=True):
                    given[i] = x
                leaves = [x for x in _leaves(ours(*given)) if jnp.issubdtype(x.dtype, jnp.floating)]
                return sum(jnp.sum(x * w) for x, w in zip(leaves, weights, strict=True))

            gradients = jax.jit(jax.grad(loss, tuple(range(len(floats)))))(*(inputs[i] for i in floats))
        for i, g in zip(floats, gradients, strict=True):
            theirs_gradient = tensors[i].grad
            _close([np.asarray(g)], [np.zeros_like(g) if theirs_gradient is None else theirs_gradient.numpy()], tolerance)

    return check


@pytest.fixture
def normal():
    """Draws float32 arrays of N(0, 1)."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.standard_normal(shape).astype(np.float32)
