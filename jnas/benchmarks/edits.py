"""Chains of random edits from several start trees, without any language model: how many pass the gate, and how fast.

Each chain begins at its start tree; what passes the gate is the next parent, kinds of edits are equally likely.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jnas.benchmarks.rows import Row
from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.gate import judge, judge_start
from jnas.evaluation.outcomes import Verdict
from jnas.evaluation.pool import Job, Pool, Setting
from jnas.library.binding import Shape
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.models.starts import named_tree, names_model
from jnas.resolving.resolve import NothingPossible, random_edit
from jnas.runs.configuration import Caps, Configuration
from jnas.runs.randomness import generator
from jnas.trees.composites import composites
from jnas.trees.edits import KINDS, Edit, apply
from jnas.trees.node import Node, canonical, to_json, tree_hash, walk
from jnas.trees.options import Options
from translators.diagnostics import UserError

CLASSES = 10
RECENT = 20  # composites that are offered again
STEP_BATCH = 8  # images of a training step
SECONDS = 600.0  # of one job
MEMORY = 8.0  # GiB of the worker


@dataclass(frozen=True)
class Start:
    """Where a chain begins: a name as the search takes it, images of (C, H, W), and the caps that hold."""

    name: str
    shape: Shape
    caps: Caps


STARTS = {
    "ResNet-32": Start("resnet32", (3, 32, 32), Caps(1_500_000, 200_000_000, MEMORY)),
    "MobileNetV3-Small x0.5": Start("timm:mobilenetv3_small_050", (3, 96, 96), Caps(2_000_000, 300_000_000, MEMORY)),
    "ConvNeXt-atto": Start("timm:convnext_atto", (3, 64, 64), Caps(5_000_000, 300_000_000, MEMORY)),
    "ViT, small": Start(
        "timm:vit_tiny_patch16_224?patch_size=4&embed_dim=96&depth=6&num_heads=3",
        (3, 32, 32),
        Caps(1_500_000, 200_000_000, MEMORY),
    ),
}


@dataclass
class Chain:
    """What came of one chain: proposals in order, the accepted among them with their trees."""

    verdicts: list[Verdict] = field(default_factory=list)
    trees: list[Node] = field(default_factory=list)
    seconds: float = 0.0  # of this process's time, for proposals and gate

    def count(self, *reasons: str) -> int:
        return sum(verdict.reason in reasons for verdict in self.verdicts)


def measure(edits: int = 2500, train: int = 40, sources: str = "timm") -> Sequence[Row]:
    """`edits` proposals from every start tree; `train` of the accepted trees take a training step.

    Without `sources` there are our own blocks and start trees alone. Raises UserError.
    """
    mined = [source for source in sources.split(",") if source]
    folders = mine(mined).folders if mined else ()
    library = open_library(folders)
    chains, warm = {}, {}
    with (
        tempfile.TemporaryDirectory(prefix="jnas-edits-") as logs,
        Pool(1, Setting(MEMORY), Path(logs)) as pool,
    ):
        for name, start in STARTS.items():
            if mined or not names_model(start.name):
                evaluator = Evaluator(pool, Configuration(caps=start.caps), folders, start.shape, CLASSES, library)
                chains[name] = chain(name, edits, library, evaluator)
                warm[name] = chain(name, edits, library, evaluator)
        steps = first_steps(chains, train, pool, folders)
    each = [row for name, found in chains.items() for row in about(name, found, library)]
    return [*each, *together(chains, warm, steps, library)]


def chain(name: str, edits: int, library: Library, evaluator: Evaluator) -> Chain:
    """The same chain at every call. Raises UserError where the start tree does not pass."""
    start, rng, found = STARTS[name], generator(0, "edits", name), Chain()
    tree = canonical(named_tree(start.name, library, start.shape, CLASSES), library)
    verdict = judge_start(tree, evaluator.inspect, start.caps)
    if not verdict.feasible:
        raise UserError(f"{name}: {verdict.reason}: {verdict.message}; no chain can begin there")
    made: list[Edit] = []
    gc.collect()
    gc.freeze()  # what was imported and mined stays: a collection that looks at all of it takes as long as many edits
    began = time.process_time()
    while len(found.verdicts) < edits:
        options = Options(tree, library, start.shape, composites(made[-RECENT:], library))
        try:
            edit = random_edit(options, KINDS[int(rng.integers(len(KINDS)))], rng)
        except NothingPossible:
            continue
        child = apply(tree, edit)
        verdict = judge(tree, child, edit, library, evaluator.inspect, start.caps)
        found.verdicts.append(verdict)
        if verdict.feasible:
            tree = canonical(child, library)
            found.trees.append(tree)
            made += [edit] if edit.kind == "compose" else []
    found.seconds = time.process_time() - began
    print(f"{name}: {len(found.trees)} of {edits} accepted, {found.seconds:.1f} s", file=sys.stderr)
    return found


def first_steps(
    chains: Mapping[str, Chain], count: int, pool: Pool, folders: Sequence[Path]
) -> list[Mapping[str, bool]]:
    """Whether loss and gradients of the first training step are numbers, for `count` trees spread over the chains."""
    trees = [(STARTS[name].shape, tree) for name, found in chains.items() for tree in found.trees]
    extra = {"libraries": [str(folder) for folder in folders], "classes": CLASSES, "batch": STEP_BATCH}
    steps: list[Mapping[str, bool]] = []
    for i in generator(0, "edits", "train").permutation(len(trees))[:count]:
        shape, tree = trees[i]
        (reply,) = pool.run([Job("step", {"tree": to_json(tree), "shape": shape, **extra}, SECONDS)])
        steps.append(reply.value if reply.status == "ok" else {"loss": False, "gradients": False})
        print(f"training step {len(steps)} of {count}: {reply.status} {reply.message}", file=sys.stderr)
    return steps


def about(name: str, found: Chain, library: Library) -> Iterator[Row]:
    """What one chain shows."""
    proposals, refused = len(found.verdicts), found.count("not intended")
    reasons = Counter(str(verdict.reason) for verdict in found.verdicts if verdict.reason)
    nodes = [sum(1 for _ in walk(tree)) for tree in found.trees] or [0]
    yield Row(f"{name}: proposals", proposals, note=", ".join(f"{n} {reason}" for reason, n in reasons.most_common()))
    executable = sum(verdict.executable for verdict in found.verdicts)
    yield Row(f"{name}: executable at first try", 100 * executable / max(1, proposals - refused), "%", low=95)
    yield Row(f"{name}: accepted", len(found.trees), note=f"up to {max(nodes)} nodes, {nodes[-1]} at the end")
    distinct = len({tree_hash(tree, library) for tree in found.trees})
    repeated = 100 * (1 - distinct / max(1, len(found.trees)))
    yield Row(f"{name}: canonical duplicates", repeated, "%", high=5)


def together(
    chains: Mapping[str, Chain], warm: Mapping[str, Chain], steps: Sequence[Mapping[str, bool]], library: Library
) -> Iterator[Row]:
    """What all chains show."""
    verdicts = [verdict for found in chains.values() for verdict in found.verdicts]
    accepted = [verdict for verdict in verdicts if verdict.feasible]
    judged = [(verdict, STARTS[name].caps) for name, found in chains.items() for verdict in found.verdicts]
    over = sum(verdict.feasible and not _within(verdict, caps) for verdict, caps in judged)
    yield Row("accepted beyond a cap", over, high=0, note=f"of {len(accepted)}")
    missed = sum(verdict.reason == "not intended" for verdict in verdicts)
    yield Row("intention missed", missed, high=0, note=f"of {len(verdicts)}")
    used = {node.block for found in chains.values() for tree in found.trees for _, node in walk(tree)}
    offered = sum(block.mined for block in library.placeable())
    mined = sum(name in library and library[name].mined for name in used)
    if offered:
        yield Row("mined blocks in use", mined, low=60, note=f"of {offered} offered")
    finite = sum(step["loss"] and step["gradients"] for step in steps)
    if steps:
        yield Row("finite first training step", 100 * finite / len(steps), "%", low=100, note=f"of {len(steps)} trees")
    gated = sum(len(found.verdicts) for found in warm.values())
    rate = gated / max(1e-9, sum(found.seconds for found in warm.values()))
    yield Row("gated candidates, warm memo", rate, "per s", low=100, note="proposal and gate, time of one process")


def _within(verdict: Verdict, caps: Caps) -> bool:
    return (verdict.parameters or 0) <= caps.parameters and (verdict.multiply_adds or 0) <= caps.multiply_adds
