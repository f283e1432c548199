from __future__ import annotations

from jnas.runs.randomness import folded_seed, generator


def test_draws_depend_on_seed_and_purpose_alone() -> None:
    first = generator(0, 3, 1, "plan").random(4).tolist()
    generator(0, 3, 1, "resolve").random(4)
    assert generator(0, 3, 1, "plan").random(4).tolist() == first
    others = [(1, 3, 1, "plan"), (0, 1, 3, "plan"), (0, 31, "plan"), (0, 3, 1, "resolve"), (0, 3, 1, "plan", 0)]
    assert len({folded_seed(*purpose) for purpose in [(0, 3, 1, "plan"), *others]}) == 6


def test_draws_are_the_same_on_every_machine_and_version() -> None:
    assert folded_seed(0, 1, 0, "plan") == 224219327309755574687247335118464418607
