"""Aims come to edits that keep to them: the real library of own blocks and the real rules."""

from __future__ import annotations

import numpy as np
import pytest

from jnas.evaluation.gate import intended
from jnas.knowledge.ideas import Knowledge, read_ideas
from jnas.knowledge.template import template
from jnas.library.block import Block, Contract
from jnas.planning.fairnad import OTHER, SIZES, UP, aim
from jnas.planning.plan import Aim, Plan
from jnas.resolving.choosers import UniformChooser
from jnas.resolving.realising import realise, related
from jnas.resolving.resolve import NothingPossible
from jnas.trees.edits import apply
from jnas.trees.node import canonical, get, walk
from tests.jnas.resolving.test_resolve import LIBRARY, SHAPE, START, Scripted, record

TREE = canonical(START, LIBRARY)


def realised(*aims: Aim, chooser=None, seed: int = 0, **more):
    plan = Plan(0, "idea", "attribute-fair", "", aims=aims)
    rng = np.random.default_rng(seed)
    return realise(plan, (record(0, TREE),), TREE, LIBRARY, SHAPE, chooser or UniformChooser(), rng, "goal", **more)


def came(proposal) -> set[str]:
    before = {node.block for _, node in walk(TREE)}
    return {node.block for _, node in walk(proposal.tree)} - before


def test_a_block_that_the_words_name_comes_in() -> None:
    gate = Aim("Squeeze channels and excite them by their means.", ("insert",), families=("channel attention", "mlp"))
    for seed in range(6):
        assert came(realised(gate, seed=seed)) == {"jnas.SqueezeExcite"}


def test_where_no_name_fits_any_block_of_the_family_may_come_unless_names_are_asked_for() -> None:
    vague = Aim("Something quite different.", ("insert",), families=("mlp",))
    assert came(realised(vague)) == {"jnas.Mlp"}
    with pytest.raises(NothingPossible, match="no block is named after"):
        realised(vague, named=True)


def test_words_that_many_names_share_say_nothing() -> None:
    blocks = [
        Block(f"x.{name}Block", "mlp", contract=Contract()) for name in ("Ghost", "Swin", "Dense", "Mixer", "Res")
    ]
    assert set(related("A ghost module makes a block cheap.", blocks)) == {"x.GhostBlock"}
    assert related("A block.", blocks) == {}


@pytest.mark.parametrize("seed", range(6))
def test_scaling_up_makes_larger_and_tuning_leaves_sizes_alone(seed: int) -> None:
    up = realised(UP, seed=seed)
    for path, name, value in up.edit.settings:
        old = get(TREE, up.edit.path + path).args.get(name)
        assert not isinstance(old, int) or value > old
    tuned = realised(OTHER, seed=seed)
    for path, name, _ in tuned.edit.settings:
        block = LIBRARY[get(TREE, tuned.edit.path + path).block]
        assert block.parameter(name).role not in SIZES


def test_several_edits_follow_one_another() -> None:
    found = realised(Aim("Add residual blocks.", ("insert",), families=("residual block",), edits=3))
    assert len(found.later) == 2
    tree = TREE
    for edit in (found.edit, *found.later):
        assert intended(canonical(tree, LIBRARY), canonical(apply(tree, edit), LIBRARY), edit)
        tree = apply(tree, edit)
    assert tree == found.tree


def test_a_composition_for_an_idea_holds_nothing_that_the_idea_did_not_ask_for() -> None:
    gate = Aim("Gate channels.", ("compose",), families=("channel attention",), forms=("residual",))
    for seed in range(8):
        value = realised(gate, seed=seed).edit.value
        assert value.block == "residual" and value.args["body"][-1].block == "jnas.SqueezeExcite"
        assert len(value.args["body"]) == 2


def test_places_keep_to_their_part_of_the_network() -> None:
    for seed in range(5):
        late = realised(Aim("Exchange late.", ("insert", "swap"), families=("mixer",), where="late"), seed=seed)
        assert late.edit.path[0] == "stages" and late.edit.path[1] >= 2
        stem = realised(Aim("Another stem.", ("swap",), families=("convolution",), where="stem"), seed=seed)
        assert stem.edit.path[0] == "stem"


def test_the_chooser_takes_the_idea_and_is_told_what_went_wrong() -> None:
    told = []

    def last(question, rng):
        told.append(question.text)
        return {name: options[-1] for name, options in question.fields.items()}

    aims = (Aim("First.", ("delete",), idea="a/b/1"), Aim("Second.", ("delete",), idea="a/b/2"))
    found = realised(*aims, chooser=Scripted(last), problems=["it was too large"])
    assert found.aim == aims[1]
    assert "Which idea" in told[0] and "it was too large" in told[-1] and "Second." in told[-1]


def test_what_fits_nowhere_says_so_and_whose_idea_it_was() -> None:
    with pytest.raises(NothingPossible) as nothing:
        realised(Aim("More heads.", ("set",), roles=("heads",), sign=-1, idea="attention/heads and projections/1"))
    assert nothing.value.aim.idea == "attention/heads and projections/1"


def test_our_own_blocks_realise_most_starter_ideas() -> None:
    knowledge = Knowledge(template(), read_ideas("starter")).realisable({block.family for block in LIBRARY.values()})
    one_each = {idea.place: idea for idea in knowledge.ideas}
    failed = []
    for place, idea in one_each.items():
        try:
            realised(aim(idea, template().subs[place]))
        except NothingPossible:
            failed.append(place)
    assert len(failed) <= len(one_each) // 10, failed
