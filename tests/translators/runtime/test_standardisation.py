"""Mean zero and variance one: the numbers of the definition, and of its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from translators.runtime.standardisation import standardised, standardised_and_scaled

EPS = 1e-3
X = np.random.default_rng(0).normal(3, 2, size=(3, 4, 5, 2))
CHANGE = np.random.default_rng(1).normal(size=X.shape)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def by_definition(x, axes, scale=1, shift=0):
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axes, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + EPS) * scale + shift, mean, variance


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("axes", [(0, 2, 3), (3,), (1, 2, 3), (0,), (2, 3)])
def test_values_and_derivatives_in_both_directions(axes, affine):
    run = standardised_and_scaled if affine else standardised
    ours, other = (lambda x, *p: run(x, axes, EPS, *p)), (lambda x, *p: by_definition(x, axes, *p))
    shape = [1 if axis in axes else size for axis, size in enumerate(X.shape)]
    at, changes = [X], [CHANGE]
    for seed in (2, 3) if affine else ():
        at.append(np.random.default_rng(seed).normal(size=shape))
        changes.append(np.random.default_rng(seed).uniform(size=shape))
    for one, two in zip(jax.jvp(ours, at, changes), jax.jvp(other, at, changes), strict=True):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
    weights = jax.tree.map(lambda y: np.cos(np.arange(y.size)).reshape(y.shape), other(*at))
    for back, expected in zip(*(jax.vjp(f, *at)[1](weights) for f in (ours, other)), strict=True):
        np.testing.assert_allclose(back, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("affine", [(), (2.0, 1.0)])
def test_the_derivative_of_the_derivative(affine):
    def total(function):
        return jax.hessian(lambda x: jnp.sum(jnp.sin(function(x, (0,), *affine)[0])))(X[0, :, 0])

    run = standardised_and_scaled if affine else standardised
    ours, other = total(lambda x, axes, *p: run(x, axes, EPS, *p)), total(by_definition)
    np.testing.assert_allclose(ours, other, rtol=1e-9, atol=1e-11)


def sums_over_all(program):
    inner = [value for step in program.eqns for value in step.params.values()]
    own = [s for s in program.eqns if s.primitive.name == "reduce_sum" and s.invars[0].aval.size == X.size]
    return len(own) + sum(sums_over_all(v.jaxpr) for v in inner if hasattr(v, "jaxpr"))


def test_the_way_back_sums_twice():
    def there_and_back(x, change, *affine):
        run = standardised_and_scaled if affine else standardised
        return jax.vjp(lambda x, *p: run(x, (0, 2, 3), EPS, *p)[0], x, *affine)[1](change)

    parameter = np.ones((1, 4, 1, 1))
    for affine in ((), (parameter, parameter)):
        assert sums_over_all(jax.make_jaxpr(there_and_back)(X, X, *affine).jaxpr) == 2 + 2


@pytest.mark.parametrize("run", [standardised, lambda *args: standardised_and_scaled(*args, 1.0, 0.0)])
def test_a_large_mean_leaves_its_digits(run):
    with jax.enable_x64(False):
        x = jnp.asarray(X, jnp.float32) + 10_000
        _, _, variance = run(x, (0, 1, 2, 3), EPS)
    np.testing.assert_allclose(np.ravel(variance), np.var(np.asarray(x, np.float64)), rtol=1e-3)
