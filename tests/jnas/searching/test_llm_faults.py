"""A search whose language model fails in every way ends, and knows what it spent."""

from __future__ import annotations

import pytest

from tests.long import llm_faults


@pytest.fixture
def service() -> llm_faults.Service:
    return llm_faults.Service("of a test")


def test_a_search_ends_whatever_its_language_model_does(service: llm_faults.Service) -> None:
    assert llm_faults.search(service, 0) == ""
    assert len({each.kind for each in service.served}) > 5


def test_a_call_that_is_not_accounted_for_is_noticed(service: llm_faults.Service, monkeypatch) -> None:
    monkeypatch.setattr(llm_faults.ModelChooser, "_keep_the_rate", lambda chooser: chooser._meter.add(input_tokens=1))
    assert "the server saw" in llm_faults.search(service, 0)
