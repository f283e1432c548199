"""What makes a run directory another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from jnas.evaluation.outcomes import Verdict
from jnas.runs.claim import claim
from jnas.runs.configuration import Configuration
from jnas.runs.database import Candidate, RunDatabase
from jnas.runs.directory import RunDirectory
from jnas.trees import node
from jnas.trees.starts import START_TREES
from translators.diagnostics import UserError


def test_a_recipe_file_that_changes_is_another_run(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('base = "quick"\nlearning_rate = 0.05\n')
    settings = Configuration()
    asked = replace(settings, evaluation=replace(settings.evaluation, recipe=str(file)))
    directory = RunDirectory(tmp_path)
    tree = node.to_json(START_TREES["resnet8"]())
    with RunDatabase.open(directory.database) as database:
        claim(directory, database, asked)
        database.add_proposal(Candidate(0, 0, 0, tree, "0" * 64, Verdict(True, True, True), None, None, ""))
        file.write_text('base = "quick"\nlearning_rate = 0.05  # the same\n')
        claim(directory, database, asked)
        file.write_text('base = "quick"\nlearning_rate = 0.06\n')
        with pytest.raises(UserError, match=r"own.toml had learning_rate = 0.05, it has 0.06 now; give another --run"):
            claim(directory, database, asked)
