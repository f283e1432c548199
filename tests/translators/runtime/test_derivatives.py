"""Derivatives written by hand: what they give, and when they are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.translators.examples import outcome
from translators.diagnostics import Refused
from translators.runtime import ops


class Scaled(ops.autograd.Function):
    """A step whose gradient is that of a line."""

    @staticmethod
    def forward(ctx, x, w, slope):
        ctx.save_for_backward(w)
        ctx.positive = x > 0
        ctx.slope = slope
        return (x > 0) * w

    @staticmethod
    def backward(ctx, gradient):
        (w,) = ctx.saved_tensors
        return gradient * w * ctx.slope * ctx.positive, None, None


class Writes(ops.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x


class Refuses(ops.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, gradient):
        raise Refused("R03", "torch.autograd.grad")


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_the_derivative_is_the_one_that_is_written(transform):
    x, w = jnp.array([-1.0, 2.0]), jnp.array([3.0, 5.0])
    run = transform(lambda x, w: Scaled.apply(x, w, 0.5))
    np.testing.assert_array_equal(run(x, w), [0.0, 5.0])
    by_x, by_w = jax.grad(lambda x, w: run(x, w).sum(), (0, 1))(x, w)
    np.testing.assert_array_equal(by_x, [0.0, 2.5])
    np.testing.assert_array_equal(by_w, [0.0, 0.0])  # None stands for no gradient


@pytest.mark.parametrize(("function", "code"), [(Writes, "R05"), (Refuses, "R03")])
def test_what_cannot_be_differentiated_is_refused_before_anybody_differentiates(function, code):
    with pytest.raises(Refused) as found:
        function.apply(jnp.ones(2))
    assert found.value.code == code


def test_a_function_of_the_source_is_kept_with_its_backward():
    source = """
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient

class Block(nn.Module):
    def forward(self, x):
        return Reverse.apply(x)
"""
    assert outcome(source) == "block.Block is translated"
