"""Programs compiled side by side, and the collector that waits meanwhile."""

from __future__ import annotations

import gc

import jax
import jax.numpy as jnp
import pytest

from jnas.training.compiling import collecting_later, side_by_side


def wanted(number, **options):
    return lambda: jax.jit(lambda x: x + number).lower(jnp.zeros(2)), options


def test_programs_come_in_the_order_asked_for():
    programs = side_by_side([wanted(n) for n in (1.0, 2.0, 3.0)])
    assert [float(program(jnp.zeros(2))[0]) for program in programs] == [1, 2, 3]


def test_an_error_in_one_is_raised_and_the_collector_goes_on():
    def failing():
        raise ValueError("not traced")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="not traced"):
        side_by_side([wanted(1.0), (failing, {})])
    with pytest.raises(jax.errors.JaxRuntimeError):
        side_by_side([wanted(1.0), wanted(2.0, no_such_option=True)])
    assert gc.isenabled()


def test_the_collector_waits_and_stays_off_where_it_was():
    with collecting_later():
        assert not gc.isenabled()
        with collecting_later():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
