"""A folder to take away: the model in one file, its weights, licences, a README, and a check that was run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jnas
from jnas.exporting.checking import Check, check, write_reference
from jnas.exporting.expression import Design
from jnas.exporting.files import File, origin, plain
from jnas.exporting.flax_file import flax_file
from jnas.exporting.licences import notices
from jnas.exporting.torch_file import torch_file
from jnas.trees.node import to_json, tree_hash
from translators.diagnostics import UserError

FILES: Mapping[str, Callable[[Design, Sequence[str]], File]] = {
    "flax": lambda plan, specs: flax_file(plan),
    "torch": torch_file,
    "onnx-ready": torch_file,
}


@dataclass(frozen=True)
class Exported:
    """What was written, and what the check found."""

    folder: Path
    parameters: int
    check: Check


def export_folder(
    plan: Design,
    to: str,
    out: Path,
    *,
    name: str = "model",
    weights: Path | None = None,
    seed: int = 0,
    specs: Sequence[str] = (),
) -> Exported:
    """Writes the folder `out`; it is there when all went well, and replaces nothing.

    flax: `model.py` needs jax, flax and numpy only. torch: `model.py` has the original PyTorch code and needs torch and
    numpy only. onnx-ready: the same, and the check runs the graph that torch.export makes of it, so that
    torch.onnx.export can start from it: no control flow depends on data; height, width and the number of images of the
    check are fixed unless dynamic_shapes say otherwise. tree: the tree, and what jnas needs to build it again.

    `weights` are those that a training saved; without them they are drawn from `seed`. `specs` are sources besides the
    installed packages where originals are looked for. Raises UserError, and CheckFailed where the file does not compute
    what jnas computes.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out}: is there already and not empty; give a folder that is not")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made ({error.strerror}); give another folder") from None
    try:
        exported = _fill(plan, to, unfinished.resolve(), name, weights, seed, specs)
        unfinished.chmod(0o755)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Exported(out, exported.parameters, exported.check)


def _fill(
    plan: Design, to: str, folder: Path, name: str, weights: Path | None, seed: int, specs: Sequence[str]
) -> Exported:
    file = FILES[to](plan, specs) if to in FILES else None
    parameters = write_reference(plan, folder, weights, seed)
    if file is not None:
        (folder / "model.py").write_text(file.text, encoding="utf-8")
        (folder / "LICENSES.txt").write_text(notices(plan, file.modules, specs), encoding="utf-8")
        found = check(plan, to, folder)
    else:
        blocks = {block.name: dict(block.provenance) for block in plan.mined}
        (folder / "blocks.json").write_text(json.dumps(blocks, indent=1) + "\n", encoding="utf-8")
        found = Check(0.0, "built and run by jnas itself")
    (folder / "tree.json").write_text(json.dumps(to_json(plan.tree), indent=1) + "\n", encoding="utf-8")
    for array in ("images", "logits"):
        (folder / f"{array}.npy").unlink()
    drawn = f"drawn from seed {seed}: train them" if weights is None else "of its training"
    (folder / "README.md").write_text(_readme(plan, to, name, parameters, drawn, found), encoding="utf-8")
    return Exported(folder, parameters, found)


_USES = {
    "flax": """`model.py` needs jax, flax and numpy:

    from model import build

    model = build("weights.safetensors")
    logits = model(images)  # (N, {shape}) -> (N, {classes}), NumPy or JAX arrays, float32

`build(seed=0)` draws parameters instead. `model.train()` switches to training mode; it is a `flax.nnx.Module`, and
`state_dict(model)` gives its arrays by name.""",
    "torch": """`model.py` needs torch and numpy:

    from model import build

    model = build("weights.safetensors")
    logits = model(images)  # (N, {shape}) -> (N, {classes}), float32

`build(seed=0)` draws parameters instead. `model.train()` switches to training mode; it is a `torch.nn.Module`, and the
names of its state are those of `weights.safetensors`.""",
    "tree": """`tree.json` is the architecture, `blocks.json` says where its blocks were mined, `weights.safetensors`
holds its parameters. With jnas {version}, and the same versions of the packages in `blocks.json` installed:

    python -m jnas.train --tree tree.json --dataset NAME{libraries}

    from jnas import load_tree
    from jnas.exporting import safetensors
    from jnas.models.build import build
    from translators.runtime.state import load_state_dict

    tree, library = load_tree("tree.json"{sources})
    model = build(tree, library, ({shape}), {classes}).eval()
    load_state_dict(model, safetensors.read("weights.safetensors"))""",
}
_USES["onnx-ready"] = (
    _USES["torch"]
    + """

`torch.export` turns it into a graph, which ONNX is made from (pip install onnx onnxscript):

    torch.onnx.export(model, (torch.zeros(1, {shape}),), "model.onnx", dynamo=True)"""
)


def _readme(plan: Design, to: str, name: str, parameters: int, drawn: str, found: Check) -> str:
    packages = sorted({str(block.provenance.get("package", "")) for block in plan.mined} - {""})
    use = _USES[to].format(
        shape=", ".join(map(str, plan.shape)),
        classes=plan.classes,
        version=jnas.__version__,
        libraries=" --library FOLDER" * bool(packages),
        sources=f", mine_source({', '.join(map(repr, packages))}).folders" * bool(packages),
    )
    blocks = "\n".join(
        f"* `{plain(block.name)}`: {origin(block)}" for block in sorted(plan.blocks, key=lambda b: b.name)
    )
    licences = "" if to == "tree" else "\n\nWhose code this is, and under which licences: `LICENSES.txt`."
    return f"""# {plain(name)}

Image classifier: (N, {", ".join(map(str, plan.shape))}) -> {plan.classes} logits, {parameters:,} parameters, {drawn}.
Written by jnas {jnas.__version__} from tree {tree_hash(plan.tree, plan.library)[:16]}.

{use}

## Check

{found.text}

## Blocks

{blocks}{licences}
"""
