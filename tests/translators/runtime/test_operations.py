"""Every operation against PyTorch: drawn PyTorch code, run as it stands and translated.

More draws for a long run: TRANSLATORS_DRAWS=20.
"""

from __future__ import annotations

import math
import os
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from tests.translators.runtime.catalogue import FAMILIES
from translators import Refusal, load_class, open_source, translate_source
from translators.diagnostics import Refused
from translators.runtime.construction import constructing, randomness
from translators.runtime.functional.convolution import platform
from translators.runtime.module import Parameter
from translators.runtime.state import load_state_dict, state_dict

torch = pytest.importorskip("torch")

DRAWS = int(os.environ.get("TRANSLATORS_DRAWS", "1"))
HEADER = """import math
import einops
import torch
import torch.nn as nn
import torch.nn.functional as F
from einops.layers.torch import Rearrange, Reduce


"""
CASES = {family: list(make(DRAWS)) for family, make in FAMILIES.items()}


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """For each family: the module classes of its cases in PyTorch, and translated or refused."""
    made = {}

    def make(family):
        if family not in made:
            folder = tmp_path_factory.mktemp(family)
            text = HEADER + "\n\n".join(case.source(f"Case{i}") for i, case in enumerate(CASES[family]))
            (folder / "block.py").write_text(text)
            originals: dict = {}
            exec(compile(text, str(folder / "block.py"), "exec"), originals)
            translation = translate_source(open_source(str(folder)))
            for path, emitted in translation.modules.items():
                (folder / f"emitted_{path}").write_text(emitted)
            made[family] = originals, translation, folder
        return made[family]

    return make


def _leaves(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [leaf for x in tree for leaf in _leaves(x)]
    return [tree]


def _array(x):
    if hasattr(x, "detach"):
        x = x.detach()
        return x.float().numpy().astype(jnp.bfloat16) if x.dtype == torch.bfloat16 else x.numpy(force=True)
    return np.asarray(x)


_NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}


def _kind(x):
    """Dtypes as JAX has them: 64 bits count as 32."""
    return _NARROW.get(str(x.dtype), str(x.dtype))


def _close(ours, theirs, tolerance, what, values=True):
    assert len(ours) == len(theirs), what
    for a, b in zip(ours, theirs, strict=True):
        if not hasattr(b, "shape"):
            assert a == b, what
            continue
        a, b = _array(a), _array(b)
        assert a.shape == b.shape, f"{what}: shape {a.shape}, PyTorch {b.shape}"
        assert _kind(a) == _kind(b), f"{what}: dtype {a.dtype}, PyTorch {b.dtype}"
        if not values:
            continue
        if b.dtype.itemsize == 2 and b.dtype.kind in "fV":
            tolerance = max(tolerance, 1e-2)
        a, b = (x.astype(np.complex128 if b.dtype.kind == "c" else np.float64) for x in (a, b))
        size = float(np.abs(b[np.isfinite(b)]).max(initial=1))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * size, err_msg=what)


def _with_random_state(original):
    rng = np.random.default_rng(5)
    with torch.no_grad():
        for name, tensor in original.state_dict().items():
            if tensor.is_floating_point():
                numbers = rng.standard_normal(tuple(tensor.shape)) * 0.7
                numbers = 0.5 + np.abs(numbers) if name.endswith("var") else numbers
                tensor.copy_(torch.as_tensor(numbers, dtype=tensor.dtype))
    return original


def _floating(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("family", "number"), [(f, i) for f, cases in CASES.items() for i in range(len(cases))])
def test_operation(family, number, classes):
    case = CASES[family][number]
    originals, translation, folder = classes(family)
    what = f"{case.layer} {case.body}".strip()
    outcome = translation.outcomes[f"block.Case{number}"]
    if isinstance(outcome, Refusal):
        assert re.fullmatch(case.refused, outcome.code), f"{what}\n{outcome}"
        return
    original = _with_random_state(originals[f"Case{number}"]()).train(case.training)
    cls = load_class(folder, f"emitted_block.Case{number}")
    if case.refused:
        with pytest.raises(Refused, match=case.refused), constructing(), randomness(jax.random.key(0)):
            jax.eval_shape(cls(), *case.arrays.values())
        return
    with constructing():
        translated = cls().train(case.training)
    load_state_dict(translated, {name: _array(tensor) for name, tensor in original.state_dict().items()})
    _compare(case, original, translated, what)


@pytest.fixture(autouse=True)
def lowering(request):
    """Every other case as on an accelerator: there convolutions are lowered in another way."""
    token = platform.set("gpu" if request.node.callspec.params["number"] % 2 else "cpu")
    yield
    platform.reset(token)


def _compare(case, original, translated, what):
    inputs = list(case.arrays.values())
    tensors = [torch.tensor(x, requires_grad=case.gradient and x.dtype == np.float32) for x in inputs]
    # Clones: some operations write into their input.
    expected = _leaves(original(*(x.clone() for x in tensors)))
    places = [i for i, x in enumerate(expected) if getattr(x, "requires_grad", False) and x.is_floating_point()]
    differentiable = [expected[i] for i in places]
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(x.shape).astype(np.float32) for x in differentiable]
    graph, parameters, rest = nnx.split(translated, Parameter, ...)
    floats = [i for i, x in enumerate(inputs) if case.gradient and x.dtype == np.float32]
    constants = {}

    def run(parameters, given):
        arrays = list(inputs)
        for i, x in zip(range(len(inputs)), given, strict=True):
            arrays[i] = x
        model = nnx.merge(graph, parameters, rest, copy=True)
        with randomness(jax.random.key(0)):
            result = _leaves(model(*arrays))
        constants.update({i: x for i, x in enumerate(result) if not isinstance(x, (np.ndarray, np.generic, jax.Array))})
        result = [None if i in constants else x for i, x in enumerate(result)]
        return result, nnx.split(model, Parameter, ...)[2]

    def loss(parameters, variables, given):
        given = list(given)
        for i, x in zip(floats, variables, strict=True):
            given[i] = x
        result, state = run(parameters, given)
        total = sum(jnp.sum(result[i] * w) for i, w in zip(places, weights, strict=True))
        return total, (result, state)

    with jax.default_matmul_precision("highest"):
        variables = [inputs[i] for i in floats]
        if weights and not case.random:
            program = jax.value_and_grad(loss, (0, 1), has_aux=True)
        else:
            program = lambda p, v, g: ((0, run(p, g)), None)  # noqa: E731
        # Programs that run once: compiling them well takes longer than running them badly.
        compiled = jax.jit(program).lower(parameters, variables, inputs)
        compiled = compiled.compile(compiler_options={"xla_backend_optimization_level": 0})
        (_, (result, state)), gradients = compiled(parameters, variables, inputs)
        result = [constants.get(i, x) for i, x in enumerate(result)]
    _close(result, expected, case.tolerance, what, not case.random)
    if case.constant:
        constant = [translated(*inputs)]
        _close(_leaves(constant), expected, case.tolerance, f"{what}: of NumPy arrays")
    if case.training:
        nnx.update(translated, state)
        ours, theirs = state_dict(translated), original.state_dict()
        _close([ours[name] for name in theirs], list(theirs.values()), case.tolerance, f"{what}: state after")
    if gradients is None:
        return
    sum((x * torch.tensor(w)).sum() for x, w in zip(differentiable, weights, strict=True)).backward()
    for i, found in zip(floats, gradients[1], strict=True):
        theirs = tensors[i].grad
        theirs = np.zeros_like(found) if theirs is None else theirs
        _close([found], [theirs], case.tolerance * 3, f"{what}: gradient of input {i}")
    nnx.update(translated, gradients[0])
    ours = state_dict(translated)
    for name, parameter in original.named_parameters():
        if parameter.grad is not None:
            _close([ours[name]], [parameter.grad], case.tolerance * 3, f"{what}: gradient of {name}")


assert math.pi  # used by drawn code
