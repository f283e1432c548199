"""google-genai against a server on this machine that speaks generateContent and fails as the real one does."""

from __future__ import annotations

import json

import pytest

from jnas.resolving import asking, gemini
from jnas.resolving.asking import ModelChooser
from jnas.resolving.questions import INSTRUCTIONS, Question, settle
from jnas.resolving.transcript import Exchange, Transcript
from translators.diagnostics import UserError

KEY = "AIza-key-of-a-test"
QUESTION = Question("which place?", {"place": ("1", "2", "3")})


def answer(text: str | None, **changes) -> tuple[int, dict]:
    parts = [{"text": "hm, let me think", "thought": True}, *([{"text": text}] if text is not None else [])]
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", **changes}
    return 200, {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 30, "totalTokenCount": 42}}


def failure(code: int, message: str = "no", delay: str | None = None) -> tuple[int, dict]:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}] if delay else []
    return code, {"error": {"code": code, "message": message, "status": "FAILED", "details": details}}


@pytest.fixture
def server(gemini_server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", gemini_server.url)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    return gemini_server


def ask(server, *replies) -> tuple:
    """(settled choice, pauses) of one question."""
    server.replies = list(replies)
    pauses: list[float] = []
    chooser = ModelChooser(gemini.Gemini("gemini-test"), None, pause=pauses.append)
    choice = chooser.choose(QUESTION, 0)
    assert KEY not in repr(choice)
    return settle(QUESTION, choice, 0), pauses


def test_a_good_answer(server) -> None:
    choice, pauses = ask(server, answer('{"place": "2"}'))
    assert choice.values == {"place": "2"} and choice.source == "llm" and choice.tokens == 42
    assert pauses == []
    (request,) = server.requests
    assert request["path"].endswith("models/gemini-test:generateContent") and request["key"] == KEY
    assert KEY not in json.dumps(request["body"])
    generation = request["body"]["generationConfig"]
    assert generation["responseJsonSchema"]["properties"]["place"]["enum"] == ["1", "2", "3"]
    assert request["body"]["systemInstruction"]["parts"][0]["text"] == INSTRUCTIONS


def test_the_retry_delay_of_the_server_is_heeded(server) -> None:
    choice, pauses = ask(server, failure(429, delay="7s"), answer('{"place": "3"}'))
    assert choice.source == "llm" and choice.values == {"place": "3"}
    (pause,) = pauses
    assert 7 <= pause <= 7 * 1.25


@pytest.mark.parametrize("trouble", [failure(500), failure(503), "reset", (500, b"<html>"), (200, b"{")])
def test_passing_trouble_is_waited_out(server, trouble) -> None:
    choice, pauses = ask(server, trouble, trouble, answer('{"place": "1"}'))
    assert choice.source == "llm" and len(server.requests) == 3
    assert 1 <= pauses[0] <= 1.25 and 2 <= pauses[1] <= 2.5


def test_retries_are_bounded_and_end_in_a_uniform_draw(server) -> None:
    choice, _ = ask(server, failure(503))
    assert len(server.requests) == asking.ATTEMPTS
    assert choice.source == "fallback" and "HTTP 503" in choice.problem


def test_a_delay_beyond_the_deadline_is_not_waited_for(server) -> None:
    choice, pauses = ask(server, failure(429, delay="3600s"))
    assert choice.source == "fallback" and pauses == [] and len(server.requests) == 1


BAD = {
    "cut": answer('{"place": "2"'),
    "wrong option": answer('{"place": "17"}'),
    "wrong type": answer('{"place": 2}'),
    "one too many": answer('{"place": "2", "also": "1"}'),
    "prose": answer("I would take the second."),
    "empty": answer(""),
    "huge": answer('{"place": "' + "2" * 1_000_000 + '"}'),
    "ten megabytes": answer("x" * 10_000_000),
}
NONE = {
    "token cap": answer(None, finishReason="MAX_TOKENS"),
    "token cap, cut": answer('{"place": "1"}', finishReason="MAX_TOKENS"),
    "none": (200, {"candidates": []}),
    "blocked": (200, {"promptFeedback": {"blockReason": "SAFETY"}}),
    "safety": (200, {"candidates": [{"finishReason": "SAFETY"}]}),
    "400": failure(400, "bad schema"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_is_not_allowed_is_handed_back_once(server, name: str) -> None:
    choice, _ = ask(server, BAD[name], answer('{"place": "3"}'))
    assert choice.source == "llm" and choice.values == {"place": "3"} and choice.tokens == 84
    repair = server.requests[1]["body"]["contents"][0]["parts"][0]["text"]
    assert repair.startswith(QUESTION.text) and "refused" in repair and len(repair) < 1500


@pytest.mark.parametrize("name", BAD)
def test_a_second_bad_answer_becomes_a_draw(server, name: str) -> None:
    choice, _ = ask(server, BAD[name])
    assert choice.source == "fallback" and choice.problem and len(choice.problem) < 400
    assert choice.values["place"] in QUESTION.fields["place"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", NONE)
def test_where_no_answer_can_be_had_it_becomes_a_draw_at_once(server, name: str) -> None:
    choice, _ = ask(server, NONE[name])
    assert choice.source == "fallback" and choice.problem
    assert choice.values["place"] in QUESTION.fields["place"]
    assert len(server.requests) == 1


def test_thoughts_and_answer_have_budgets_of_their_own(server) -> None:
    ask(server, answer('{"place": "1"}'))
    generation = server.requests[0]["body"]["generationConfig"]
    assert list(generation["thinkingConfig"].values()) == [1024]
    assert generation["maxOutputTokens"] == 1024 + 256


def test_a_model_that_cannot_think_is_asked_without_thoughts(server) -> None:
    choice, _ = ask(server, failure(400, "Thinking is not enabled for models/gemini-test"), answer('{"place": "1"}'))
    assert choice.source == "llm"
    assert "thinkingConfig" not in server.requests[1]["body"]["generationConfig"]


@pytest.mark.parametrize(
    "reply",
    [
        failure(403, f"key {KEY} has no access"),
        failure(404, "no such model"),
        (400, {"error": {"code": 400, "message": "bad key", "details": [{"reason": "API_KEY_INVALID"}]}}),
    ],
    ids=["403", "404", "invalid key"],
)
def test_a_refused_key_or_model_is_one_line_without_the_key(server, reply) -> None:
    with pytest.raises(UserError, match="llm 'gemini:gemini-test': HTTP 40") as caught:
        ask(server, reply)
    assert KEY not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    "reply",
    [
        answer(f'{{"place": "{KEY}"}}'),
        answer(None, finishReason=f"KEY_{KEY}"),
        (200, {"promptFeedback": {"blockReason": KEY}}),
        failure(400, f"key {KEY} is not pretty"),
    ],
    ids=["answer", "end", "block", "error"],
)
@pytest.mark.filterwarnings("ignore:.*is not a valid")  # google-genai, of reasons that it does not know
def test_a_service_that_repeats_the_key_does_not_get_it_into_the_transcript(server, reply) -> None:
    kept: list[Exchange] = []
    server.replies = [reply]
    chooser = ModelChooser(gemini.Gemini("gemini-test"), None, Transcript(keep=kept.append))
    choice = chooser.choose(QUESTION, 0)
    assert choice.source == "llm" and kept and KEY not in repr((choice, kept))


def test_a_stalled_server_is_given_up(server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(asking, "ATTEMPTS", 2)
    choice, pauses = ask(server, "stall")
    assert choice.source == "fallback" and "gave no answer" in choice.problem
    assert len(pauses) == 1
