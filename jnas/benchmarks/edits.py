"""Chains of random edits from several start trees, without any language model: how many pass the gate, and how fast.

Each chain begins at its start tree; what passes the gate is the next parent, kinds of edits are equally likely.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jnas.benchmarks.rows import Row
from jnas.evaluation.evaluator import Evaluator
from jnas.evaluation.gate import judge, judge_start
from jnas.evaluation.outcomes import Verdict
from jnas.evaluation.pool import Job, Pool
from jnas.library.mining import mine
from jnas.library.store import Library, open_library
from jnas.resolving.resolve import NothingPossible, random_edit
from jnas.runs.configuration import Caps, Configuration
from jnas.runs.randomness import generator
from jnas.trees.composites import composites
from jnas.trees.edits import KINDS, Edit, apply
from jnas.trees.node import Node, canonical, to_json, tree_hash, walk
from jnas.trees.options import Options
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

STARTS = ("resnet32", "mobilenet", "resnet20", "resnet8")
SHAPE, CLASSES = (3, 32, 32), 10
CAPS = Caps(parameters=1_500_000, multiply_adds=200_000_000)
RECENT = 20  # composites that are offered again
STEP_BATCH = 8
SECONDS = 600.0  # of one job
MEMORY = 8.0  # GiB of the worker


@dataclass
class Chain:
    """What came of one chain: proposals in order, the accepted among them with their trees."""

    verdicts: list[Verdict] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    trees: list[Node] = field(default_factory=list)
    seconds: float = 0.0  # of this process's time, for proposals and gate

    def count(self, *reasons: str) -> int:
        return sum(verdict.reason in reasons for verdict in self.verdicts)


def measure(edits: int = 2500, train: int = 40, sources: str = "timm") -> Sequence[Row]:
    """`edits` proposals from every start tree; `train` of the accepted trees take a training step. Raises UserError."""
    report = mine([source for source in sources.split(",") if source])
    library = open_library(report.folders)
    with (
        tempfile.TemporaryDirectory(prefix="jnas-edits-") as logs,
        Pool(1, logs=Path(logs), memory_limit=MEMORY) as pool,
    ):
        evaluator = Evaluator(pool, Configuration(caps=CAPS), report.folders, SHAPE, CLASSES, library)
        chains = {name: _told(name, chain(name, edits, library, evaluator)) for name in STARTS}
        warm = {name: _told(f"{name}, again", chain(name, edits, library, evaluator)) for name in STARTS}
        steps = list(first_steps(chains.values(), train, pool, report.folders))
    return [
        *(row for name in STARTS for row in about(name, chains[name], library)),
        *together(chains, warm, steps, library),
    ]


def chain(name: str, edits: int, library: Library, evaluator: Evaluator) -> Chain:
    """The same chain at every call. Raises UserError where the start tree does not pass."""
    tree, rng, found = canonical(START_TREES[name](), library), generator(0, "edits", name), Chain()
    verdict = judge_start(tree, evaluator.inspect, CAPS)
    if not verdict.feasible:
        raise UserError(f"{name}: {verdict.reason}: {verdict.message}; no chain can begin there")
    made: list[Edit] = []
    began = time.process_time()
    while len(found.verdicts) < edits:
        options = Options(tree, library, SHAPE, composites(made[-RECENT:], library))
        try:
            edit = random_edit(options, KINDS[int(rng.integers(len(KINDS)))], rng)
        except NothingPossible:
            continue
        child = apply(tree, edit)
        verdict = judge(tree, child, edit, library, evaluator.inspect, CAPS)
        found.verdicts.append(verdict)
        if verdict.feasible:
            tree = canonical(child, library)
            found.edits.append(edit)
            found.trees.append(tree)
            made += [edit] if edit.kind == "compose" else []
    found.seconds = time.process_time() - began
    return found


def first_steps(
    chains: Iterable[Chain], count: int, pool: Pool, folders: Sequence[Path]
) -> Iterator[Mapping[str, bool]]:
    """Whether loss and gradients of the first training step are numbers, for `count` trees spread over the chains."""
    trees = [tree for found in chains for tree in found.trees]
    chosen = generator(0, "edits", "train").permutation(len(trees))[:count]
    extra = {"libraries": [str(folder) for folder in folders], "shape": SHAPE, "classes": CLASSES, "batch": STEP_BATCH}
    for place, i in enumerate(chosen):
        (reply,) = pool.run([Job("step", {"tree": to_json(trees[i]), **extra}, SECONDS)])
        print(f"training step {place + 1} of {len(chosen)}: {reply.status} {reply.message}", file=sys.stderr)
        yield reply.value if reply.status == "ok" else {"loss": False, "gradients": False}


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
    over = sum(not within(verdict) for verdict in accepted)
    yield Row("accepted beyond a cap", over, high=0, note=f"of {len(accepted)}")
    yield Row("intention missed", sum(v.reason == "not intended" for v in verdicts), high=0, note=f"of {len(verdicts)}")
    used = {node.block for found in chains.values() for tree in found.trees for _, node in walk(tree)}
    offered = sum(block.mined for block in library.placeable())
    mined = sum(name in library and library[name].mined for name in used)
    yield Row("mined blocks in use", mined, low=60, note=f"of {offered} offered")
    finite = sum(step["loss"] and step["gradients"] for step in steps)
    if steps:
        yield Row("finite first training step", 100 * finite / len(steps), "%", low=100, note=f"of {len(steps)} trees")
    gated = sum(len(found.verdicts) for found in warm.values())
    rate = gated / max(1e-9, sum(found.seconds for found in warm.values()))
    yield Row("gated candidates, warm memo", rate, "per s", low=100, note="proposal and gate, time of one process")


def within(verdict: Verdict) -> bool:
    return (verdict.parameters or 0) <= CAPS.parameters and (verdict.multiply_adds or 0) <= CAPS.multiply_adds


def _told(name: str, found: Chain) -> Chain:
    print(f"{name}: {len(found.trees)} of {len(found.verdicts)} accepted, {found.seconds:.1f} s", file=sys.stderr)
    return found
