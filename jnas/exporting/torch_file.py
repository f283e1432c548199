"""A tree written as one standalone PyTorch file: mined blocks as their authors wrote them, ours as their twins."""

from __future__ import annotations

from collections.abc import Sequence

from jnas.exporting.expression import Design, Writer
from jnas.exporting.files import OWN_MODULES, READER, File, header, imports, own_text
from jnas.exporting.sources import opened
from translators.linking import link

USED_BY_BUILD = ("array", "build", "name", "network", "seed", "weights")
_TWINS = {
    "jnas/library/primitives.py": "jnas/data/torch/primitives.txt",
    "jnas/models/containers.py": "jnas/data/torch/containers.txt",
}
BUILD = '''def build(weights: str | None = None, seed: int = 0) -> {network}:
    """The network in evaluation mode, with `weights` of a safetensors file or else parameters drawn from `seed`."""
    torch.manual_seed(seed)
    network = {expression}
    if weights is not None:
        network.load_state_dict({{name: torch.from_numpy(array) for name, array in {read}(weights).items()}})
    return network.eval()
'''


def torch_file(plan: Design, specs: Sequence[str] = ()) -> File:
    """Source of one module with the original PyTorch code of the blocks, all that it uses, and
    `build(weights=None, seed=0)`; it needs torch and numpy only.

    Originals are looked for in the sources `specs` and among the installed packages, and must be those that were mined.
    Nothing of them is imported or executed here. Raises UserError where one is not found.
    """
    defined = plan.qualified()
    modules = {path: own_text(_TWINS.get(path, path)) for path in OWN_MODULES}
    mined = [qualified for name, qualified in defined.items() if not qualified.startswith("jnas.")]
    if mined:
        modules |= opened(plan, specs).modules(mined)
    linked = link(
        modules, [*defined.values(), READER], reserved=USED_BY_BUILD, whole=lambda module: module.startswith("jnas.")
    )
    called = {name: linked.names[qualified] for name, qualified in defined.items()}
    build = BUILD.format(
        network=called["Network"],
        expression=Writer(called, seeded=False).network(plan),
        read=linked.names[READER],
    )
    more = ["import torch", "from torch import nn", *["import functools"] * ("functools." in build)]
    head = header(plan, "torch and numpy")
    text = f"{head}\n{imports([*linked.imports, *more])}\n\n\n{linked.definitions}\n\n\n{build}"
    return File(text, linked.modules)
