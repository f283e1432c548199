"""The steps of a search: propose, judge, train, train the best longer, write what remains."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from jnas.evaluation.evaluator import Evaluator, LongTraining
from jnas.evaluation.gate import judge, judge_start, narrowed
from jnas.evaluation.outcomes import Result, Verdict
from jnas.exporting.flax_file import export_flax
from jnas.knowledge.ideas import Knowledge
from jnas.library.binding import Shape
from jnas.library.source import class_source
from jnas.library.store import Library
from jnas.library.written import Written, write_block
from jnas.models.starts import named_tree, names_model
from jnas.planning.features import tree_features
from jnas.planning.history import History, Record, candidate
from jnas.planning.plan import TRIES, Plan, Settings
from jnas.planning.planners import Planner
from jnas.reports.live import LiveView
from jnas.resolving import questions
from jnas.resolving.asking import ModelChooser
from jnas.resolving.budget import BudgetSpent
from jnas.resolving.choosers import Chooser
from jnas.resolving.realising import realise
from jnas.resolving.resolve import NothingPossible, Proposal, resolve
from jnas.resolving.writing import Joined, resolve_written
from jnas.runs import archive
from jnas.runs.configuration import Configuration
from jnas.runs.database import Attempt, Candidate, Choice, Final, RunDatabase
from jnas.runs.directory import RunDirectory, write_atomically
from jnas.runs.phases import Phases
from jnas.runs.randomness import generator
from jnas.trees.edits import apply, describe, edit_to_json, intended
from jnas.trees.node import Node, canonical, from_json, to_json, tree_hash
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError

MOST_REDRAWS = 20  # of the plan before a step is given up


@dataclass
class Search:
    """The steps of a search. What they did is in the database, so that each may be left undone at any instant.

    `library` and `evaluator` grow by the blocks that a language model writes.
    """

    configuration: Configuration
    directory: RunDirectory
    database: RunDatabase
    library: Library
    evaluator: Evaluator
    planner: Planner
    chooser: Chooser
    phases: Phases
    view: LiveView
    knowledge: Knowledge | None = None

    def run_rounds(self) -> None:
        """Propose and train until a cap is reached; what was done before is not done again."""
        self.start()
        trained, history = self.train(), History()
        for round_ in count(1):
            slots = self.open_slots(round_)
            if not slots:
                if not trained:
                    self.view.note(f"the budget of {self.configuration.search.budget} is spent; --budget goes on")
                return
            history = archive.history(self.database, self.library, before_round=round_, known=history)
            spent = self.propose_round(round_, slots, history)
            trained = self.train() or trained
            if spent:
                self.view.note(f"{spent}: no more candidates; with a higher cap the same command goes on from here")
                return

    def start(self) -> None:
        """The start tree is candidate 0: judged and trained like the others, not counted in the budget."""
        if self.database.count():
            return
        evaluator, name = self.evaluator, self.configuration.start
        tree = canonical(start_tree(name, self.library, evaluator.shape, evaluator.classes), self.library)
        self.view.proposal(0, None, f"the start tree, {self.configuration.start}")
        self.phases.enter("gate")
        verdict = judge_start(tree, self.evaluator.inspect, self.configuration.caps)
        if not verdict.feasible:
            raise UserError(
                f"start = {self.configuration.start}: {verdict.reason}: {verdict.message}; choose another start"
            )
        self.view.verdict(0, None, parameters=verdict.parameters, multiply_adds=verdict.multiply_adds)
        self.database.add_proposal(Candidate(0, 0, 0, to_json(tree), tree_hash(tree, self.library), verdict))

    def open_slots(self, round_: int) -> list[int]:
        """The slots of a round that the budget still covers, done or not."""
        settings = self.configuration.search
        return [slot for slot in range(settings.round_size) if self._number(round_, slot) <= settings.budget]

    def propose_round(self, round_: int, slots: Sequence[int], history: History) -> str:
        """Candidates for the slots, all from one history. Words when a cap on hours or questions came first."""
        limit, spent = self.configuration.search.hours, sum(self.database.phases().values()) / 3600
        if limit is not None and spent >= limit:
            return f"search.hours = {limit:g} is spent ({spent:.2f})"
        try:
            for slot in slots:
                self.propose(round_, slot, history)
        except BudgetSpent as error:
            return str(error)
        return ""

    def propose(self, round_: int, slot: int, history: History) -> None:
        """Judge proposals until one passes the gate; record it with all that was turned down before it."""
        number = self._number(round_, slot)
        if self.database.count() > number:
            return
        known = self.database.tree_hashes()
        pending = archive.pending(self.database, self.library, round_, before_slot=slot)
        attempts: list[Attempt] = []
        choices: list[Choice] = []
        for attempt, plan, proposal in self._proposals(round_, slot, history, pending, known, attempts, choices):
            parent = candidate(history, plan.parent).tree
            words = _words(proposal, parent)
            self.view.proposal(number, plan.parent, words)
            choices += _choices(round_, slot, attempt, proposal.choices)
            if self.chooser.spent:
                self.view.detail(
                    f"{self.configuration.planner.name} planner, {self.chooser.name}: {self.chooser.spent}"
                )
            verdict = self._judge(parent, proposal, known)
            key = proposal.aim.idea if proposal.aim else None
            if verdict.reason == "caps" and (self.configuration.caps.repair or key is not None):
                proposal, words, verdict = self._narrowed(proposal, words, verdict, known)
            self.view.verdict(
                number, verdict.reason, parameters=verdict.parameters, multiply_adds=verdict.multiply_adds
            )
            if verdict.feasible:
                row = Candidate(
                    number=number,
                    round=round_,
                    slot=slot,
                    tree=to_json(canonical(proposal.tree, self.library)),
                    tree_hash=tree_hash(proposal.tree, self.library),
                    verdict=verdict,
                    parent=plan.parent,
                    edit=edit_to_json(proposal.edit),
                    description=words,
                    plan=plan.expecting(tree_features(proposal.tree, self.library)).to_plain(),
                    idea=key,
                )
                self.database.add_proposal(row, attempts, choices)
                return
            attempts.append(_attempt(round_, slot, attempt, plan, words, str(verdict.reason), verdict.message, key))
        raise UserError(
            f"candidate {number}: {len(attempts)} proposals turned down in a row, at last: {attempts[-1].message}; "
            "loosen the caps or mine another source in a new --run-dir"
        )

    def _proposals(
        self,
        round_: int,
        slot: int,
        history: History,
        pending: Sequence[Record],
        known: Collection[str],
        attempts: list[Attempt],
        choices: list[Choice],
    ) -> Iterator[tuple[int, Plan, Proposal]]:
        """(attempt, plan, proposal): as many by one plan as it allows, then by another without what was tried in vain.

        A plan for which nothing is possible goes to `attempts`, its questions to `choices`, and is given up at once.
        """
        planning = self.configuration.planner
        settings = Settings(
            planning.top_k, planning.epsilon, planning.diversity, planning.objectives, self.knowledge, planning.stages
        )
        seed, given_up = self.configuration.search.seed, frozenset[str]()
        for redraw in range(MOST_REDRAWS):
            rng = generator(seed, round_, slot, "plan", redraw)
            plan = self.planner(history, settings, rng, given_up, pending)
            parent = candidate(history, plan.parent).tree
            key = None if len(plan.aims) != 1 else plan.aims[0].idea
            for attempt in range(redraw * TRIES, redraw * TRIES + plan.tries):
                self.phases.enter("proposing")
                rng = generator(seed, round_, slot, "resolve", attempt)
                problems = [earlier.message for earlier in attempts if earlier.attempt >= redraw * TRIES]
                try:
                    proposal = self._resolve(plan, history, parent, rng, known, problems)
                except NothingPossible as nothing:
                    choices += _choices(round_, slot, attempt, nothing.choices)
                    key = nothing.aim.idea if nothing.aim else key
                    attempts.append(_attempt(round_, slot, attempt, plan, "", "nothing possible", str(nothing), key))
                    break
                key = proposal.aim.idea if proposal.aim else key
                parent_number = plan.parent if proposal.parent is None else proposal.parent
                yield attempt, replace(plan, parent=parent_number), proposal
            given_up |= {key or plan.kind}

    def _resolve(
        self,
        plan: Plan,
        history: History,
        parent: Node,
        rng: np.random.Generator,
        known: Collection[str],
        problems: Sequence[str],
    ) -> Proposal:
        situation = plan, history, parent, self.library, self.evaluator.shape
        writing = self.configuration.llm.proposer == "code"
        aim = None
        if plan.aims:
            try:
                return realise(*situation, self.chooser, rng, self._goal(), class_source, problems, named=writing)
            except NothingPossible as nothing:
                if not writing or nothing.aim is None:
                    raise
                aim = nothing.aim
        if writing:
            assert isinstance(self.chooser, ModelChooser)  # see open_chooser
            return resolve_written(*situation, self.chooser, rng, self._goal(), self._join, aim)
        return resolve(*situation, self.chooser, rng, self._goal(), class_source, known)

    def _join(self, text: str) -> Joined:
        """Mine what a language model wrote; what can be placed is a block of the library from now on."""
        written = write_block(text, self.directory.written)
        self.adopt(written)
        return Joined(written.block, written.reason)

    def adopt(self, written: Written) -> None:
        """Add the block, if there is one, for this process and its workers."""
        if written.block is not None and written.folder is not None and written.block.name not in self.library:
            self.library = Library({**self.library.blocks, written.block.name: written.block})
            folders = (*self.evaluator.libraries, written.folder)
            self.evaluator = replace(self.evaluator, libraries=folders, library=self.library)
            self.database.set_fact("libraries", [str(folder) for folder in folders])

    def train(self) -> bool:
        """Train every candidate that has no result yet, and say whether there was one.

        A result is acknowledged when it is in the database.
        """
        rows = self.database.candidates()
        open_rows = [row for row in rows if row.result is None]
        if not open_rows:
            self.write_metrics()
            return False
        scores = {row.number: archive.score(row) for row in rows}

        def finished(index: int, result: Result) -> None:
            row = open_rows[index]
            self.database.add_result(row.number, result)
            self.view.result(
                row.number,
                result.status,
                accuracy=result.accuracy,
                parent_accuracy=None if row.parent is None else scores[row.parent],
                seconds=result.seconds_compile + result.seconds_train,
            )
            results.append(result)

        results: list[Result] = []
        self.phases.enter("training")
        self.evaluator.train([row.tree for row in open_rows], self._epochs([row.number for row in open_rows]), finished)
        self.phases.divide(_shares(results), "proposing")
        self.write_metrics()
        return True

    def train_best_longer(self) -> Candidate:
        """The finalists compete on validation; then the winner and the start tree are trained for the test split."""
        settings, rows = self.configuration.final, self.database.candidates()
        finalists = archive.finalists(rows, settings.candidates)
        self._train_longer(finalists if settings.candidates > 1 else (), "validation")
        best = archive.winner(rows, self.database.finals(), settings.candidates) or rows[0]
        self._train_longer([rows[0], best] if best.number else [best], "test")
        return best

    def write_best(self, best: Candidate) -> None:
        """The best tree as JSON, and its model as one Flax file that needs nothing of the search."""
        tree = from_json(best.tree, self.library)
        write_atomically(self.directory.best_tree, json.dumps(best.tree, indent=1) + "\n")
        source = export_flax(tree, self.library, self.evaluator.shape, self.evaluator.classes)
        write_atomically(self.directory.best_model, source)

    def write_metrics(self) -> None:
        """Derived from the database as a whole: a killed process may have left the file a line short."""
        lines = [json.dumps(_metrics(row)) for row in self.database.candidates() if row.result is not None]
        write_atomically(self.directory.metrics, "".join(line + "\n" for line in lines))

    def _train_longer(self, rows: Sequence[Candidate], split: str) -> None:
        done = {(final.number, final.seed, final.split) for final in self.database.finals()}
        trainings = [
            LongTraining(
                row.number, row.tree, seed, split, self.directory.weights(row.number, seed) if split == "test" else None
            )
            for row in rows
            for seed in self.configuration.final.seeds
            if (row.number, seed, split) not in done
        ]

        def finished(index: int, result: Result) -> None:
            training = trainings[index]
            self.database.add_final(Final(training.number, training.seed, split, result))
            scored = result.status if result.accuracy is None else f"{100 * result.accuracy:.2f} %"
            self.view.note(f"#{training.number} trained longer, seed {training.seed}: {scored} on {split}")

        self.phases.enter("final training")
        self.evaluator.train_longer(trainings, self._epochs([training.number for training in trainings]), finished)

    def _judge(self, parent: Node, proposal: Proposal, known: Collection[str]) -> Verdict:
        """Of several edits each must be seen in the tree that the earlier ones made."""
        self.phases.enter("gate")
        before, edit = parent, proposal.edit
        for later in proposal.later:
            after = apply(before, edit)
            if not intended(canonical(before, self.library), canonical(after, self.library), edit):
                break
            before, edit = after, later
        return judge(before, proposal.tree, edit, self.library, self.evaluator.inspect, self.configuration.caps, known)

    def _narrowed(
        self, proposal: Proposal, words: str, verdict: Verdict, known: Collection[str]
    ) -> tuple[Proposal, str, Verdict]:
        """The proposal within the caps, where a scale of all widths brings it there to a tree not yet known."""
        caps, shape = self.configuration.caps, self.evaluator.shape
        found = narrowed(proposal.tree, self.library, shape, self.evaluator.inspect, caps)
        tree = None if found is None else apply(proposal.tree, found[0])
        if found is None or tree is None or tree_hash(tree, self.library) in known:
            return proposal, words, verdict
        return replace(proposal, tree=tree), f"{words}; {describe(found[0], proposal.tree)}", found[1]

    def _number(self, round_: int, slot: int) -> int:
        return (round_ - 1) * self.configuration.search.round_size + slot + 1

    def _goal(self) -> str:
        caps = self.configuration.caps
        return (
            f"higher validation accuracy on {self.configuration.dataset.name}, "
            f"at most {caps.parameters:,} parameters and {caps.multiply_adds:,} multiply-adds"
        )

    def _epochs(self, numbers: Sequence[int]) -> Callable[[int, Mapping[str, Any]], None]:
        def progress(index: int, values: Mapping[str, Any]) -> None:
            self.view.epoch(numbers[index], values["epoch"], values["epochs"], loss=values["loss"])

        return progress


def start_tree(name: str, library: Library, shape: Shape, classes: int) -> Node:
    if name in START_TREES or names_model(name):
        return named_tree(name, library, shape, classes)
    try:
        return from_json(json.loads(Path(name).read_text(encoding="utf-8")), library)
    except (OSError, ValueError) as error:
        raise UserError(f"start = {name}: not a tree in JSON ({error}); see best.json of any run") from None


def _words(proposal: Proposal, parent: Node) -> str:
    """The edits of a proposal, one after another."""
    told, before, edit = [], parent, proposal.edit
    for later in (*proposal.later, None):
        told.append(describe(edit, before))
        if later is not None:
            before, edit = apply(before, edit), later
    return "; ".join(told)


def _attempt(
    round_: int, slot: int, attempt: int, plan: Plan, words: str, reason: str, message: str, idea: str | None
) -> Attempt:
    return Attempt(round_, slot, attempt, plan.parent, plan.kind, plan.way, reason, message, words, idea)


def _choices(
    round_: int, slot: int, attempt: int, asked: Sequence[tuple[questions.Question, questions.Choice]]
) -> list[Choice]:
    return [
        Choice(
            round=round_,
            slot=slot,
            attempt=attempt,
            step=step,
            question=question.text,
            answer=choice.values,
            source=choice.source,
            tokens=choice.tokens,
            problem=choice.problem,
            seconds=choice.seconds,
        )
        for step, (question, choice) in enumerate(asked)
    ]


def _metrics(row: Candidate) -> dict[str, Any]:
    assert row.result is not None
    return {
        "candidate": row.number,
        "parent": row.parent,
        "edit": row.description,
        "parameters": row.verdict.parameters,
        "multiply_adds": row.verdict.multiply_adds,
        **row.result.to_plain(),
    }


def _shares(results: Sequence[Result]) -> dict[str, float]:
    """How the time of a batch of trainings divides; what failed has told nothing and counts as training."""
    compiling = sum(result.seconds_compile for result in results)
    training = sum(result.seconds_train for result in results)
    return {"compiling": compiling, "training": training} if compiling + training else {"training": 1.0}
