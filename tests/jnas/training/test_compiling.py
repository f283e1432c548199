"""Programs compiled side by side, and the collector that waits meanwhile."""

from __future__ import annotations

import gc
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from jnas.training.compiling import collecting_later, side_by_side
from jnas.training.first_touch import MOST, PIECE, most_held, touched


def wanted(number, **options):
    return lambda: jax.jit(lambda x: x + number).trace(jnp.zeros(2)), options


def test_programs_come_in_the_order_asked_for():
    programs = side_by_side([wanted(n) for n in (1.0, 2.0, 3.0)], "cpu")
    assert [float(program(jnp.zeros(2))[0]) for program in programs] == [1, 2, 3]


def test_an_error_in_one_is_raised_and_the_collector_goes_on():
    def failing():
        raise ValueError("not traced")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="not traced"):
        side_by_side([wanted(1.0), (failing, {})], "cpu")
    with pytest.raises(jax.errors.JaxRuntimeError):
        side_by_side([wanted(1.0), wanted(2.0, no_such_option=True)], "cpu")
    assert gc.isenabled()


def test_the_collector_waits_and_stays_off_where_it_was():
    with collecting_later():
        assert not gc.isenabled()
        with collecting_later():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_most_that_a_program_holds_is_counted_at_its_fullest_place():
    def program(x):  # of 4 bytes each: twice x, then the sine and the doubled one together, then one
        doubled = 2 * x
        return (jnp.sin(doubled) * doubled).sum()

    jaxpr = jax.jit(program).trace(jnp.zeros(100)).jaxpr.jaxpr
    assert most_held(jaxpr) == 800
    keys = jax.jit(lambda key: jax.random.split(key, 10)[0]).trace(jax.random.key(0)).jaxpr.jaxpr
    assert most_held(keys) > 0


def test_memory_is_touched_until_it_is_enough():
    calls = []
    assert len(touched(4 * PIECE + 1, lambda: len(calls) == 2 or calls.append(1))) == 4 * PIECE + 1
    assert len(calls) == 2  # of five pieces
    touched(4 * PIECE + 1, lambda: calls.append(1))
    assert len(calls) == 7
    assert len(touched(2 * MOST, lambda: True)) == MOST


def test_a_limit_on_memory_does_not_end_a_training_for_what_would_only_be_touched():
    code = (
        "import resource; from jnas.training.first_touch import touched;"
        "resource.setrlimit(resource.RLIMIT_DATA, (100 << 20,) * 2); print(len(touched(400 << 20, lambda: False)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "0\n"
