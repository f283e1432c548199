"""Searches whose language model fails in every way: python -m tests.long.llm_faults --count 1000

A server on this machine speaks generateContent and draws what goes wrong from the seed. Every search has to end with
its budget spent; calls, tokens and dollars in its transcript have to be those that the server saw, request by request.
Nothing is trained, and nobody waits: pauses and stalls move a clock of their own. Prints a line of JSON; exit code 1
when anything was otherwise.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

from jnas.resolving import choosers
from jnas.resolving.asking import ModelChooser
from jnas.resolving.gemini import Gemini
from jnas.resolving.prices import PRICES
from jnas.resolving.providers import Reply, Request
from jnas.runs.configuration import load
from jnas.searching.preparation import Untrained, rehearsal
from tests.jnas.conftest import GeminiServer
from tests.jnas.resolving.test_asking import Clock
from tests.jnas.resolving.test_gemini import KEY, answer, failure
from tests.long.kills import OwnBlocks

MODEL = "gemini-2.5-flash"
SETTINGS = [
    "sources=[]",
    f"llm.name=gemini:{MODEL}",
    "planner.name=thompson",
    "search.budget=12",
    "search.round_size=4",
]
SOUND = 0.4  # share of good answers
STALL_SECONDS = 0.2


def text(body: dict[str, Any], chance: random.Random) -> str:
    """A listed option for every field."""
    fields = body["generationConfig"]["responseJsonSchema"]["properties"]
    return json.dumps({name: chance.choice(field["enum"]) for name, field in fields.items()})


Script = Callable[[dict[str, Any], random.Random], Any]
PASSING: dict[str, Script] = {  # another try may fare better; nothing is charged
    "429": lambda body, chance: failure(429, delay=chance.choice((None, "3s", "0.5s", "100s", "3600s"))),
    "500": lambda body, chance: failure(500),
    "503": lambda body, chance: failure(503),
    "reset": lambda body, chance: "reset",
    "stall": lambda body, chance: "stall",
    "truncated reply": lambda body, chance: (200, json.dumps(answer(text(body, chance))[1]).encode()[:-9]),
}
NOT_ALLOWED: dict[str, Script] = {  # an answer, but none of those that were listed
    "truncated JSON": lambda body, chance: answer(text(body, chance)[:-2]),
    "wrong schema": lambda body, chance: answer(chance.choice(('{"place": 1}', '["1"]', '{"block": "os.system"}'))),
    "empty": lambda body, chance: answer(""),
    "10 MB": lambda body, chance: answer("x" * 10_000_000),
}
NONE: dict[str, Script] = {  # no answer, and none to come
    "blocked": lambda body, chance: (200, {"promptFeedback": {"blockReason": "SAFETY"}}),
    "safety": lambda body, chance: answer(None, finishReason="SAFETY"),
    "token cap": lambda body, chance: answer(text(body, chance)[:-3], finishReason="MAX_TOKENS"),
}
FAULTS = {**PASSING, **NOT_ALLOWED, **NONE}


@dataclass(frozen=True)
class Served:
    """A request as the server saw it, and what it charged."""

    kind: str
    prompt: str
    input_tokens: int
    output_tokens: int


class Service:
    """What the server replies, drawn; what it has served."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.served: list[Served] = []
        self.kind = ""

    def draw(self) -> None:
        self.kind = "" if self.chance.random() < SOUND else self.chance.choice(list(FAULTS))

    def __call__(self, body: dict[str, Any]) -> Any:
        chance = self.chance
        reply = FAULTS[self.kind](body, chance) if self.kind else answer(text(body, chance))
        given, thought = 0, 0
        if self.kind not in PASSING:
            given, thought = chance.randint(1, 5000), chance.randint(0, 2000)
            reply[1]["usageMetadata"] = {"promptTokenCount": given, "totalTokenCount": given + thought}
        prompt = body["contents"][0]["parts"][0]["text"]
        self.served.append(Served(self.kind, prompt, given, thought))
        return reply


@contextmanager
def asked(service: Service) -> Iterator[None]:
    """Gemini is the service, and its time that of a clock."""
    clock = Clock()

    class Client(Gemini):
        def ask(self, request: Request, seconds: float) -> Reply:
            service.draw()
            if service.kind != "stall":
                return super().ask(request, 600.0)
            try:
                return super().ask(request, STALL_SECONDS)
            finally:
                clock.now += seconds

    server = GeminiServer()
    server.replies = [service]
    variables = {"GOOGLE_GEMINI_BASE_URL": server.url, "GEMINI_API_KEY": KEY}
    chooser = partial(ModelChooser, pause=clock.pause, clock=clock)
    with (
        closing(server),
        patch.dict(os.environ, variables),
        patch.object(choosers, "Gemini", Client),
        patch.object(choosers, "ModelChooser", chooser),
    ):
        yield


class Alone(OwnBlocks, Untrained):
    """Needs no workers."""


def search(service: Service, seed: int) -> str:
    """What is wrong with a search, in words."""
    configuration = load("quickstart", [*SETTINGS, f"search.seed={seed}"])
    with asked(service), redirect_stdout(io.StringIO()), rehearsal(configuration, quiet=True) as job:
        job.evaluator = Alone(**vars(job.evaluator))
        job.run_rounds()
        if job.database.count() != configuration.search.budget + 1:
            return f"ended with {job.database.count()} candidates"
        spent = [sum(getattr(each, name) for each in service.served) for name in ("input_tokens", "output_tokens")]
        expected = f"{len(service.served):,} calls, {sum(spent):,} tokens, ${PRICES[MODEL].dollars(*spent):.4f}"
        if job.chooser.spent != expected:
            return f"says {job.chooser.spent}; the server saw {expected}"
        left = list(service.served)
        for exchange in job.database.exchanges():
            calls, left = left[: exchange.reply["calls"]], left[exchange.reply["calls"] :]
            if calls and not agree(exchange.request, exchange.reply, calls):
                return f"recorded {exchange.reply} of {calls}"
        if any(KEY.encode() in path.read_bytes() for path in job.directory.root.rglob("*") if path.is_file()):
            return "wrote its key down"
    return f"has no record of {left}" if left else ""


def agree(request: Any, reply: Any, calls: list[Served]) -> bool:
    """Whether a recorded reply is what came of the calls."""
    *before, last = calls
    return (
        all(each.prompt == request["prompt"] for each in calls)
        and all(each.kind in PASSING for each in before)
        and bool(reply["problem"]) == (last.kind in PASSING or last.kind in NONE)
        and (reply["input_tokens"], reply["output_tokens"]) == (last.input_tokens, last.output_tokens)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="faults, at least; searches go on to their end")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faults: Counter[str] = Counter()
    wrong, searches, requests = [], 0, 0
    while faults.total() < options.count:
        service = Service(f"{options.seed} {searches}")
        if problem := search(service, searches):
            wrong.append(f"search {searches} {problem}")
        faults.update(each.kind for each in service.served if each.kind)
        searches, requests = searches + 1, requests + len(service.served)
    print(json.dumps({"searches": searches, "requests": requests, "wrong": wrong, "faults": faults}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
