"""A tree written as one standalone Flax file: the blocks, all that they use, and a function that builds the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jnas.exporting.expression import Design, Writer, design
from jnas.exporting.files import OWN_MODULES, READER, File, header, imports, own_text
from jnas.exporting.runtime import PACKAGE, runtime_modules, with_namespaces
from jnas.library.binding import Shape
from jnas.library.layers import PREFIX
from jnas.library.store import Library
from jnas.trees.node import Node
from translators.linking import link

USED_BY_BUILD = ("arguments", "at", "build", "kind", "network", "parts", "place", "seed", "weights")
BUILD = '''def build(weights: str | None = None, seed: int = 0) -> {network}:
    """The network in evaluation mode, with `weights` of a safetensors file or else parameters drawn from `seed`.

    `{arrays}` gives its arrays by name.
    """

    def at(place: str, kind: Callable[..., {module}], *parts: object, **arguments: object) -> {module}:
        with {constructing}((seed, zlib.crc32(place.encode()))):
            return kind(*parts, **arguments)

    network = {expression}
    if weights is not None:
        {load}(network, {read}(weights))
    return network.eval()
'''


def export_flax(tree: Node, library: Library, shape: Shape, classes: int) -> str:
    """Source of one module with the blocks of `tree`, all that they use, and `build(weights=None, seed=0)`.

    It needs jax, flax and numpy only. Nothing of it is imported or executed here. Raises BuildError.
    """
    return flax_file(design(tree, library, shape, classes)).text


def flax_file(plan: Design) -> File:
    """The same for a tree with everything bound."""
    defined = plan.qualified() | {f"{PREFIX}{name}": f"{PACKAGE}.nn.{name}" for name in plan.layers()}
    helpers = {
        "module": f"{PACKAGE}.module.Module",
        "constructing": f"{PACKAGE}.construction.constructing",
        "load": f"{PACKAGE}.state.load_state_dict",
        "read": READER,
        "arrays": f"{PACKAGE}.state.state_dict",
    }
    linked = link(_modules(plan), [*defined.values(), *helpers.values()], reserved=USED_BY_BUILD, whole=_is_ours)
    called = {name: linked.names[qualified] for name, qualified in defined.items()}
    build = BUILD.format(
        network=called["Network"],
        expression=Writer(called, seeded=True).network(plan),
        **{name: linked.names[qualified] for name, qualified in helpers.items()},
    )
    more = ["import zlib", "from collections.abc import Callable", *["import functools"] * ("functools." in build)]
    head = header(plan, "jax, flax and numpy")
    text = f"{head}\n{imports([*linked.imports, *more])}\n\n\n{linked.definitions}\n\n\n{build}"
    return File(text, linked.modules)


def _is_ours(module: str) -> bool:
    return module.split(".")[0] in ("jnas", "translators")


def _modules(plan: Design) -> Mapping[str, str]:
    """Path -> text of our own code and of every emitted module that lies beside a used block."""
    modules = dict(runtime_modules()) | {path: own_text(path) for path in OWN_MODULES}
    for folder in sorted({block.folder for block in plan.mined if block.folder}):
        for path in sorted(Path(folder).rglob("*.py")):
            modules[path.relative_to(folder).as_posix()] = with_namespaces(path.read_text(encoding="utf-8"))
    return modules
