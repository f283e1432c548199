"""Asking a language model: what was answered before is not asked again, trouble is waited out, caps are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jnas.resolving.budget import NO_LIMITS, Limits, Meter
from jnas.resolving.prices import Price
from jnas.resolving.providers import ANSWER_TOKENS, Provider, Reply, Request, Trouble
from jnas.resolving.questions import TEXT_LIMIT, Choice, Question, mistake, read_answer, repair
from jnas.resolving.transcript import Exchange, Transcript, key_of

ATTEMPTS = 4
DEADLINE_SECONDS = 120.0  # for a request, its retries and pauses included
CALL_SECONDS = 60.0
BREAKS_AFTER = 3  # requests without an answer in a row, after which
BREAK_REQUESTS = 10  # so many are not sent: a service that is down must not cost a minute for each


class ModelChooser:
    """Answers questions by a provider; see choosers.Chooser.

    Every outcome, failures included, is in the transcript before it is used, and what is there is not asked again: so a
    run that was killed goes on with the answers that it had, and a recorded run is repeated without its model.
    """

    def __init__(
        self,
        provider: Provider,
        price: Price | None,
        transcript: Transcript | None = None,
        limits: Limits = NO_LIMITS,
        calls_per_minute: float | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises UserError for a cap in dollars on a model whose price is not known."""
        self._provider, self._pause, self._clock = provider, pause, clock
        self.price = price
        self._identity = {"model": provider.model, "parameters": dict(provider.parameters)}
        self._transcript = transcript or Transcript()
        self._meter = Meter(limits, price, provider.model)
        for exchange in self._transcript.exchanges:
            earlier = Reply(**exchange.reply)
            self._meter.add(earlier.calls, earlier.input_tokens, earlier.output_tokens)
        self._interval = 60.0 / calls_per_minute if calls_per_minute else 0.0
        self._next_call = clock()
        self._failures = self._skipped = 0

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def reads_source(self) -> bool:
        return bool(self._provider.parameters["reads_source"])

    @property
    def thinking(self) -> int:
        return int(self._provider.parameters.get("thinking", 0))

    @property
    def spent(self) -> str:
        """By this run so far, in words."""
        return self._meter.text()

    def choose(self, question: Question, seed: int) -> Choice:
        """An answer, which may be none or not allowed (see questions.settle). Raises BudgetSpent and UserError.

        An answer that is not allowed is handed back once with what is wrong.
        """
        reply = self._reply(self._request(question, seed))
        values = read_answer(reply.text)
        if not reply.problem and (wrong := mistake(question, values)):
            again = self._reply(self._request(repair(question, reply.text, wrong), seed))
            reply = replace(
                again,
                input_tokens=reply.input_tokens + again.input_tokens,
                output_tokens=reply.output_tokens + again.output_tokens,
                seconds=reply.seconds + again.seconds,
            )
            values = read_answer(reply.text)
        tokens = reply.input_tokens + reply.output_tokens
        return Choice({} if reply.problem else values, "llm", reply.seconds, tokens, reply.problem)

    def knows(self, question: Question, seed: int) -> bool:
        """Whether the question would be answered from the transcript."""
        return self._transcript.recall(key_of(self._identity, self._request(question, seed).to_plain())) is not None

    def write(self, instructions: str, prompt: str, seed: int, tokens: int) -> Reply:
        """Free text of at most `tokens` tokens. Raises BudgetSpent and UserError."""
        return self._reply(Request(prompt, seed, instructions=instructions, answer_tokens=tokens))

    @staticmethod
    def _request(question: Question, seed: int) -> Request:
        texts = sum(not options for options in question.fields.values())
        tokens = ANSWER_TOKENS + texts * TEXT_LIMIT  # a token a character, as of digits, is the most
        return Request(question.text, seed, question.fields, question.instructions, tokens)

    def _reply(self, request: Request) -> Reply:
        plain = request.to_plain()
        key = key_of(self._identity, plain)
        recorded = self._transcript.recall(key)
        if recorded is not None:
            reply = Reply(**recorded)
        else:
            reply = self._ask_in_time(request)
            self._transcript.record(Exchange(key, self._identity, plain, reply.to_plain()))
        if reply.calls:
            self._failures = self._failures + 1 if reply.problem else 0
        return reply

    def _ask_in_time(self, request: Request) -> Reply:
        if self._failures >= BREAKS_AFTER and self._skipped < BREAK_REQUESTS:
            self._skipped += 1
            return Reply(problem=f"not asked: the last {self._failures} requests had no answer", calls=0)
        self._skipped = 0
        jitter = np.random.default_rng(request.seed)
        started = self._clock()
        for attempt in range(ATTEMPTS):
            self._meter.check()
            self._keep_the_rate()
            left = DEADLINE_SECONDS - (self._clock() - started)
            self._meter.add(calls=1)
            try:
                reply = self._provider.ask(request, min(left, CALL_SECONDS))
            except Trouble as met:
                trouble = met
            else:
                self._meter.add(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
                return replace(reply, calls=attempt + 1, seconds=self._clock() - started)
            wait = 2.0**attempt if trouble.delay is None else trouble.delay
            wait *= 1 + 0.25 * float(jitter.random())
            spent = self._clock() - started
            if not trouble.passing or attempt + 1 == ATTEMPTS or spent + wait + self._interval >= DEADLINE_SECONDS:
                break
            self._pause(wait)
        problem = f"{self.name} gave no answer ({trouble.problem})"
        return Reply(problem=problem, calls=attempt + 1, seconds=self._clock() - started)

    def _keep_the_rate(self) -> None:
        """Calls start at least an interval apart."""
        now = self._clock()
        if now < self._next_call:
            self._pause(self._next_call - now)
        self._next_call = max(now, self._next_call) + self._interval
