"""The runtime can be followed without running it, and cut out as a file of its own."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import numpy as np

from jnas.exporting.runtime import PACKAGE, runtime_modules, with_namespaces
from translators.linking import link

SPACES = ("nn", "functional", "ops", "init", "pytree", "einops")


def test_every_public_name_of_the_runtime_is_found_and_all_of_it_is_one_file() -> None:
    names = {}
    for space in SPACES:
        module = importlib.import_module(f"{PACKAGE}.{space}")
        names |= {
            f"{PACKAGE}.{space}.{name}": vars(module)[name]
            for name in module.__all__
            if not isinstance(vars(module)[name], ModuleType)
        }
    linked = link(runtime_modules(), list(names))
    assert not any("translators" in line for line in linked.imports)
    whole = sys.modules["whole"] = ModuleType("whole")
    exec(compile(linked.text, "whole.py", "exec"), vars(whole))
    for name, found in names.items():
        assert type(vars(whole)[linked.names[name]]).__name__ == type(found).__name__, name
    x = np.array([[-1.0, 2.0]], np.float32)
    added = vars(whole)[linked.names[f"{PACKAGE}.ops.add_"]](x, 1.0)
    np.testing.assert_array_equal(added, [[0.0, 3.0]])


def test_a_layer_that_is_looked_up_by_its_name_is_found() -> None:
    text = "from translators.runtime import nn\nfrom translators.runtime.support import look_up\n\n\n"
    text += "def made(name):\n    return look_up(nn, name)() if name else nn.Identity()\n"
    linked = link({**runtime_modules(), "blocks.py": with_namespaces(text)}, ["blocks.made"])
    file = sys.modules["found"] = ModuleType("found")
    exec(compile(linked.text, "found.py", "exec"), vars(file))
    assert type(file.made("GELU")).__name__ == "GELU" and type(file.made("")).__name__ == "Identity"
