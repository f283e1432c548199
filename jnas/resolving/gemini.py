"""Gemini through google-genai: structured output, a deadline per question, retries that heed the server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from jnas.resolving.questions import INSTRUCTIONS, Choice, Question, clean, read_answer, schema
from translators.diagnostics import UserError

DEFAULT_MODEL = "gemini-flash-latest"
KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
ATTEMPTS = 4
DEADLINE_SECONDS = 60.0  # for a question, its retries and pauses included
CALL_SECONDS = 30.0
MAX_OUTPUT_TOKENS = 8192  # a thinking model spends the answer's budget on its thoughts
RETRIED = (408, 429, 500, 502, 503, 504)
HOPELESS = (401, 403, 404)  # and 400 with a bad key: no later question would fare better


def find_key() -> str | None:
    """The key of the environment."""
    return next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), None)


class GeminiChooser:
    """Asks `model`; $GOOGLE_GEMINI_BASE_URL sends the questions elsewhere. Raises UserError when no key is set."""

    def __init__(self, model: str = DEFAULT_MODEL, pause: Callable[[float], None] = time.sleep):
        self._key = find_key()
        if not self._key:
            raise UserError(f"llm 'gemini': no key; set {' or '.join(KEY_VARIABLES)}, or use --llm local or none")
        self._model, self._pause = model, pause
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"gemini ({self._model})"

    def choose(self, question: Question, rng: np.random.Generator) -> Choice:
        """An answer, or none and the problem. Raises UserError when key or model are refused for good."""
        from google.genai import errors

        seed = int(rng.integers(2**31))
        jitter = np.random.default_rng(seed)  # not `rng`: how often we retry must not move later draws
        started = time.monotonic()
        problem = ""
        for attempt in range(ATTEMPTS):
            left = DEADLINE_SECONDS - (time.monotonic() - started)
            if left <= 0:
                break
            wait = 2.0**attempt
            try:
                text, tokens = self._call(question, seed, min(left, CALL_SECONDS))
                return Choice(read_answer(text), "llm", time.monotonic() - started, tokens)
            except errors.APIError as error:
                problem = f"HTTP {error.code}"
                if error.code in HOPELESS or "API_KEY_INVALID" in str(error.details):
                    raise UserError(
                        f"llm 'gemini:{self._model}': HTTP {error.code}, {self._safe(error.message)}; check the key "
                        "and the model's name, or use --llm local or none"
                    ) from None  # the cause would print the whole reply
                if error.code not in RETRIED:
                    break
                wait = _retry_delay(error.details) or wait
            except Exception as error:  # the transport's own kind of error, which depends on what is installed
                problem = type(error).__name__
            left = DEADLINE_SECONDS - (time.monotonic() - started)
            wait *= 1 + 0.25 * float(jitter.random())
            if attempt + 1 == ATTEMPTS or wait >= left:
                break
            self._pause(wait)
        return Choice({}, "llm", time.monotonic() - started, 0, f"gemini gave no answer ({problem})")

    def _call(self, question: Question, seed: int, seconds: float) -> tuple[str | None, int]:
        from google import genai
        from google.genai import types

        if self._client is None:
            self._client = genai.Client(api_key=self._key, vertexai=False)
        reply = self._client.models.generate_content(
            model=self._model,
            contents=question.text,
            config=types.GenerateContentConfig(
                system_instruction=INSTRUCTIONS,
                response_mime_type="application/json",
                response_json_schema=schema(question),
                max_output_tokens=MAX_OUTPUT_TOKENS,
                seed=seed,
                http_options=types.HttpOptions(timeout=max(1, int(1000 * seconds))),
            ),
        )
        parts = [part for found in reply.candidates or [] for part in (found.content and found.content.parts) or []]
        text = "".join(part.text for part in parts if part.text and not part.thought)
        return text, (reply.usage_metadata and reply.usage_metadata.total_token_count) or 0

    def _safe(self, text: str | None) -> str:
        return clean((text or "refused").replace(str(self._key), "***"), 200)


def _retry_delay(details: Any) -> float | None:
    """Seconds of the server's RetryInfo, which google-genai does not heed."""
    error = details.get("error", details) if isinstance(details, dict) else {}
    for detail in error.get("details", []) if isinstance(error, dict) else []:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")) if isinstance(detail, dict) else "")
        if found:
            return float(found[1])
    return None
