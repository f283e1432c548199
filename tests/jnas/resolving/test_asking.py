"""The layer between questions and a model, with a scripted model and a clock that only pauses move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jnas.resolving import asking
from jnas.resolving.asking import ModelChooser
from jnas.resolving.budget import BudgetSpent, Limits
from jnas.resolving.choosers import make_chooser
from jnas.resolving.prices import FREE, Price
from jnas.resolving.providers import Reply, Request, Trouble
from jnas.resolving.questions import Choice, Question
from jnas.resolving.transcript import Exchange, Transcript
from translators.diagnostics import UserError

QUESTION = Question("which place?", {"place": ("1", "2", "3")})
GOOD = Reply('{"place": "2"}', input_tokens=100, output_tokens=10)


class Scripted:
    """Gives its outcomes in turn, the last one for ever."""

    name = "scripted (m)"
    model = "m"

    def __init__(self, *outcomes: Reply | Trouble, parameters: dict | None = None) -> None:
        self.outcomes, self.requests = list(outcomes), []
        self.parameters = {"reads_source": False, **(parameters or {})}

    def ask(self, request: Request, seconds: float) -> Reply:
        self.requests.append(request)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, Trouble):
            raise outcome
        return outcome


class Clock:
    def __init__(self) -> None:
        self.now, self.pauses = 0.0, []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def chooser(provider: Scripted, clock: Clock | None = None, **settings) -> ModelChooser:
    clock = clock or Clock()
    price = settings.pop("price", FREE)
    return ModelChooser(provider, price, pause=clock.pause, clock=clock, **settings)


def test_a_service_that_is_down_is_left_alone_for_a_while() -> None:
    provider = Scripted(Trouble("HTTP 503", passing=False))
    asker = chooser(provider)
    choices = [asker.choose(QUESTION, seed) for seed in range(asking.BREAKS_AFTER + asking.BREAK_REQUESTS)]
    assert len(provider.requests) == asking.BREAKS_AFTER
    assert "not asked" in choices[-1].problem and "HTTP 503" in choices[0].problem
    provider.outcomes = [GOOD]
    assert asker.choose(QUESTION, 100).values == {"place": "2"}
    assert asker.choose(QUESTION, 101).values == {"place": "2"}


def test_calls_keep_the_rate() -> None:
    clock = Clock()
    asker = chooser(Scripted(GOOD), clock, calls_per_minute=20)
    for seed in range(4):
        asker.choose(QUESTION, seed)
    assert clock.pauses == pytest.approx([3, 3, 3])


def test_a_deadline_covers_retries_and_pauses() -> None:
    clock = Clock()
    provider = Scripted(Trouble("HTTP 429", delay=70.0))
    choice = chooser(provider, clock).choose(QUESTION, 0)
    assert "HTTP 429" in choice.problem and clock.now < asking.DEADLINE_SECONDS
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("limits", "asked"),
    [(Limits(calls=2), 2), (Limits(tokens=250), 3), (Limits(dollars=0.0005), 3), (Limits(tokens=0), 0)],
)
def test_a_cap_is_exceeded_by_at_most_one_call(limits: Limits, asked: int) -> None:
    provider = Scripted(GOOD)
    asker = chooser(provider, limits=limits, price=Price(1.0, 10.0))  # 0.0002 dollars a call
    with pytest.raises(BudgetSpent, match=r"llm\.\w+ = .* is spent"):
        for seed in range(10):
            asker.choose(QUESTION, seed)
    assert len(provider.requests) == asked


def test_every_try_counts_as_a_call() -> None:
    asker = chooser(Scripted(Trouble("HTTP 503"), Trouble("HTTP 503"), GOOD), price=Price(1.0, 10.0))
    asker.choose(QUESTION, 0)
    assert asker.spent == "3 calls, 110 tokens, $0.0002"


def test_dollars_cannot_be_capped_for_a_model_without_a_price() -> None:
    with pytest.raises(UserError, match=r"llm\.dollars = 2: the price of m is not known .*; name one of gemini"):
        chooser(Scripted(GOOD), price=None, limits=Limits(dollars=2.0))


# The transcript


def recorded(provider: Scripted, seeds: range = range(5)) -> tuple[list[Choice], list[Exchange]]:
    kept: list[Exchange] = []
    asker = chooser(provider, transcript=Transcript(keep=kept.append))
    return [asker.choose(QUESTION, seed) for seed in seeds], kept


def outcomes() -> tuple[Reply | Trouble, ...]:
    wrong = Reply('{"place": "9"}', input_tokens=1)
    down = Trouble("HTTP 503", passing=False)
    return (GOOD, wrong, GOOD, wrong, wrong, down, down, down, GOOD)


def test_a_continued_run_asks_only_what_it_has_not_asked() -> None:
    before, kept = recorded(Scripted(*outcomes()), range(8))
    provider = Scripted(Reply('{"place": "3"}'))
    asker = chooser(provider, transcript=Transcript(kept))
    assert [asker.choose(QUESTION, seed) for seed in range(8)] == before
    assert provider.requests == []
    assert asker.choose(QUESTION, 99).values != before[0].values or provider.requests


def test_a_continued_run_knows_what_it_has_spent() -> None:
    _, kept = recorded(Scripted(GOOD))
    asker = chooser(Scripted(GOOD), transcript=Transcript(kept), limits=Limits(calls=5))
    assert asker.spent == "5 calls, 550 tokens"
    with pytest.raises(BudgetSpent):
        asker.choose(QUESTION, 99)


def test_a_recording_is_replayed_without_its_model() -> None:
    before, kept = recorded(Scripted(*outcomes(), parameters={"temperature": 0.7}), range(8))
    replay = make_chooser("replay:runs/a", Transcript(kept))
    assert replay.name == "replay (m)"
    assert [replay.choose(QUESTION, seed) for seed in range(8)] == before


@pytest.mark.parametrize(
    ("question", "seed", "told"),
    [
        (QUESTION, 77, r"seed \d, asked for 77"),
        (Question("which plaice?", QUESTION.fields), 1, "prompt 'which place\\?', asked for 'which plaice\\?'"),
        (Question(QUESTION.text, {"place": ("1", "2")}), 1, "fields"),
    ],
)
def test_a_question_that_was_not_recorded_names_the_difference(question: Question, seed: int, told: str) -> None:
    _, kept = recorded(Scripted(GOOD))
    with pytest.raises(UserError, match=f"not recorded there: the nearest recording has {told}") as caught:
        make_chooser("replay:runs/a", Transcript(kept)).choose(question, seed)
    assert "\n" not in str(caught.value)


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(UserError, match="no answers are recorded"):
        make_chooser("replay:runs/a", Transcript())


@pytest.mark.parametrize("change", [{"temperature": 0.1}, {"thinking": 1}])
def test_other_parameters_are_another_model(change: dict) -> None:
    _, kept = recorded(Scripted(GOOD))
    provider = Scripted(GOOD, parameters=change)
    chooser(provider, transcript=Transcript(kept)).choose(QUESTION, 0)
    assert len(provider.requests) == 1


def test_an_answer_is_kept_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(exchange: Exchange) -> None:
        raise OSError("disk full")

    keep: Callable[[Exchange], None] = full
    with pytest.raises(OSError, match="disk full"):
        chooser(Scripted(GOOD), transcript=Transcript(keep=keep)).choose(QUESTION, 0)


def test_free_text_is_recorded_too() -> None:
    kept: list[Exchange] = []
    provider = Scripted(Reply("class Block: pass"))
    first = chooser(provider, transcript=Transcript(keep=kept.append)).write("You write.", "a block", 3, 700)
    assert provider.requests[0].fields == {} and provider.requests[0].answer_tokens == 700
    assert chooser(Scripted(GOOD), transcript=Transcript(kept)).write("You write.", "a block", 3, 700) == first
