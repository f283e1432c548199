"""How a gradient becomes a step: made inside the training program, whose arguments rate and weight decay are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from jnas.training.recipes import Recipe

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of Muon (Jordan et al. 2024), which optax keeps in its state
ADAM_SHARE = 0.1  # of the rate, for what is no matrix (ours)


def optimiser(recipe: Recipe, rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """Made anew at every trace: numbers that are arguments compile nothing when they change."""
    clipping = [optax.clip_by_global_norm(recipe.clip_norm)] if math.isfinite(recipe.clip_norm) else []
    return optax.chain(*clipping, _RULES[recipe.optimiser](recipe, rate, weight_decay))


def initial_state(recipe: Recipe, parameters: Any) -> Any:
    """The state before the first step, from its shapes alone: a program that makes zeros would have to compile."""
    shapes = jax.eval_shape(optimiser(recipe, 0.0, 0.0).init, parameters)
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes)
    if recipe.optimiser != "muon":
        return zeros
    return optax.tree_utils.tree_set(zeros, ns_coeffs=np.array(NEWTON_SCHULZ, np.float32))


def _sgd(recipe: Recipe, rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, recipe.momentum, recipe.nesterov))


def _muon(recipe: Recipe, rate: Any, weight_decay: Any) -> optax.GradientTransformation:
    """Matrices and convolution kernels, as (outputs, everything else), by Muon; the rest by Adam."""
    return optax.contrib.muon(
        rate,
        NEWTON_SCHULZ,
        beta=recipe.momentum,
        weight_decay=weight_decay,
        nesterov=recipe.nesterov,
        adam_learning_rate=rate * ADAM_SHARE,
        adam_weight_decay=weight_decay,
        muon_weight_dimension_numbers=_matrices,
    )


def _matrices(parameters: Any) -> Any:
    def axes(array: Any) -> optax.contrib.MuonDimensionNumbers | None:
        if array.ndim < 2:
            return None
        return optax.contrib.MuonDimensionNumbers(tuple(range(1, array.ndim)), (0,))

    return jax.tree.map(axes, parameters)


_RULES: dict[str, Callable[[Recipe, Any, Any], optax.GradientTransformation]] = {"sgd": _sgd, "muon": _muon}
