"""What the page, --json and --serve say of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from jnas.evaluation.outcomes import Result
from jnas.library.store import open_library
from jnas.reports.blocks import _worst, block_usage
from jnas.reports.candidates import columns, details
from jnas.reports.content import COMPARED, content, plain
from jnas.reports.costs import spent
from jnas.reports.plots import visible
from jnas.reports.run import Run
from jnas.runs.database import Usage


def test_the_content_is_json_and_names_what_was_found(make_run: Callable[..., Run]) -> None:
    found = content(make_run())
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["best"]["number"] == 3 and found["test"] == {"best": 0.885, "start": 0.86, "seeds": 1}
    assert (found["trained"], found["budget"], found["turned_down"], found["finished"]) == (4, 4, 4, True)
    assert found["failures"]["proposals"] == [
        {"reason": "caps", "kind": "swap", "count": 4, "message": "1.7 M parameters"}
    ]
    assert found["failures"]["trainings"] == [{"status": "memory", "count": 1, "number": 2, "message": ""}]
    assert [row[-1] for row in found["best"]["tree"]].count("*") == 2  # what was widened, and the gate


@pytest.mark.parametrize("rows", [0, 1])
def test_a_run_that_has_hardly_begun_has_a_content(make_run: Callable[..., Run], rows: int) -> None:
    run = make_run(finished=False)
    found = content(replace(run, candidates=run.candidates[:rows], finals=()))
    assert len(found["candidates"]["number"]) == rows and not found["finished"]


def test_columns_are_of_one_length_and_say_what_became_of_each_candidate(make_run: Callable[..., Run]) -> None:
    found = columns(make_run())
    assert {len(column) for column in found.values()} == {5}
    assert found["status"] == ["ok", "ok", "memory", "ok", "ok"] and found["parent"] == [None, 0, 1, 1, 3]
    assert found["turned_down"] == [0, 1, 1, 1, 1] and found["accuracy"][2] is None and found["seconds"][1] == 11.0


def test_details_tell_of_the_tree_beside_its_parent_and_of_every_answer(make_run: Callable[..., Run]) -> None:
    run = make_run()
    found = list(details(run, run.candidates))
    assert not {row[-1] for row in found[0]["tree"]} & {"+", "-"}  # the start tree has nothing beside it
    assert [(row[0], row[-1]) for row in found[3]["tree"] if row[-1] in "+-" and row[-1]] == [("SqueezeExcite", "+")]
    assert found[3]["choices"][0]["question"] == "Which place?" and found[3]["turned_down"][0]["reason"] == "caps"
    assert list(details(run, run.candidates[3:4])) == found[3:4]


def test_a_block_that_is_not_here_is_said_instead_of_its_tree(make_run: Callable[..., Run]) -> None:
    run = make_run()
    gone = replace(run.candidates[1], tree={"block": "network", "stem": {"block": "other.Gone"}, "stages": []})
    run = replace(run, candidates=(run.candidates[0], gone), finals=())
    (found,) = details(run, [gone])
    assert found["tree"] == [] and "other.Gone" in found["problem"]
    (row,) = [row for row in block_usage(run) if row["name"] == "other.Gone"]
    assert row["source"] == "not in a library on this machine"


def test_a_run_that_does_not_know_its_shapes_is_told_without_trees(make_run: Callable[..., Run]) -> None:
    run = make_run()
    rows = tuple(replace(row, verdict=replace(row.verdict, shapes={})) for row in run.candidates)
    run = replace(run, candidates=rows)
    assert "receives" in content(run)["best"]["problem"] and content(run)["best"]["accuracy"] == 0.8512
    assert all(row["tree"] == [] and "receives" in row["problem"] for row in details(run, run.candidates))


def test_blocks_say_where_they_are_from_and_how_they_compare_with_pytorch(make_run: Callable[..., Run]) -> None:
    run = make_run()
    own = {row["name"]: row for row in block_usage(run)}["jnas.SqueezeExcite"]
    assert (own["candidates"], own["in_best"], own["best_accuracy"], own["licence"]) == (1, True, 0.8512, "Apache-2.0")
    origin = {"package": "timm", "version": "1.0", "path": "timm/se.py", "lines": (3, 9), "licence": "MIT"}
    differences = {"output_diff": 2e-7, "gradient_diff": 5e-7, "train_diff": None}
    mined = replace(
        run.library["jnas.SqueezeExcite"],
        name="timm.Se",
        provenance=origin,
        verification={"status": "right", **differences},
    )
    library = replace(open_library(), blocks={**open_library(), "timm.Se": mined})
    row = replace(run.candidates[0], tree={"block": "timm.Se"})
    (found,) = block_usage(replace(run, library=library, candidates=(row,), finals=()))
    assert (found["source"], found["licence"]) == ("timm 1.0 timm/se.py:3-9", "MIT")
    assert (found["verification"], found["difference"]) == ("right", 5e-7)
    assert _worst({"status": "crashed"}) is None and _worst({}) is None


def test_tokens_cost_what_the_service_charges_and_local_ones_nothing(make_run: Callable[..., Run]) -> None:
    usage = (Usage("gemini-2.5-flash", 3, 1_000_000, 100_000), Usage("SmolLM2", 9, 10, 10), Usage("gemini-9", 1, 1, 1))
    run = replace(make_run(), usage=usage)
    assert [model["dollars"] for model in spent(run)["models"]] == [pytest.approx(0.55), 0.0, None]
    replayed = replace(run.configuration, llm=replace(run.configuration.llm, name="replay:runs/other"))
    assert [model["dollars"] for model in spent(replace(run, configuration=replayed))["models"]] == [0.0, 0.0, 0.0]


def test_numbers_that_json_does_not_know_are_none() -> None:
    assert plain({"a": math.nan, 1: (math.inf, True, 2)}) == {"a": None, "1": [None, True, 2]}


def test_few_bad_networks_do_not_squeeze_the_axis() -> None:
    good = [0.8 + i / 1000 for i in range(40)]
    assert visible([*good, 0.1, 0.12]) == (0.8, max(good))
    assert visible([0.1, 0.5, 0.9]) == (0.1, 0.9) and visible([]) == (0.0, 1.0) and visible([0.5]) == (0.5, 0.5)
    assert visible([0.5] * 20 + [0.495]) == (0.495, 0.5)


def test_rungs_of_many_candidates_are_compared_on_some_of_them(make_run: Callable[..., Run]) -> None:
    run = make_run()
    curve = [{"epoch": epoch, "accuracy": epoch / 10} for epoch in range(3)]
    rows = [
        replace(
            run.candidates[0],
            number=i,
            result=Result("ok", 0.2 + i, None, (*curve[:2], {"epoch": 2, "accuracy": i / 1e3})),
        )
        for i in range(3 * COMPARED)
    ]
    found = content(replace(run, candidates=tuple(rows), finals=()))["fidelity"]
    assert found and {row["candidates"] for row in found} == {COMPARED}
