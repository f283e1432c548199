"""Gemini through google-genai: structured output, thoughts and answer paid from budgets of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jnas.resolving.keys import find_key
from jnas.resolving.providers import Reply, Request, Trouble
from jnas.resolving.questions import clean, schema
from translators.diagnostics import UserError

DEFAULT_MODEL = "gemini-flash-latest"
KEY_VARIABLES = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
TEMPERATURE = 1.0  # what its makers advise; lower values make thinking models loop
RETRIED = (408, 429, 500, 502, 503, 504)
HOPELESS = (401, 403, 404)  # and 400 with a bad key: no later question would fare better


class Gemini:
    """Asks `model`; $GOOGLE_GEMINI_BASE_URL sends the questions elsewhere. Raises UserError when no key is set.

    `thinking` tokens may be thought before an answer; models that cannot think are asked without.
    """

    def __init__(self, model: str = DEFAULT_MODEL, thinking: int = 1024):
        key = find_key(KEY_VARIABLES)
        if key is None:
            raise UserError(
                f"llm 'gemini': no key; set {' or '.join(KEY_VARIABLES)} (or the same with _FILE to the path of a file "
                "that holds it), or use --llm local or none"
            )
        self._key, self.model, self._thinking = key, model, thinking
        self._can_think = thinking > 0
        self._client: Any = None

    @property
    def name(self) -> str:
        return f"gemini ({self.model})"

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {"thinking": self._thinking, "temperature": TEMPERATURE, "reads_source": True}

    def ask(self, request: Request, seconds: float) -> Reply:
        """See Provider. Raises UserError when key or model are refused for good."""
        from google.genai import errors

        try:
            return self._call(request, seconds)
        except errors.APIError as error:
            message = self._safe(error.message)
            if error.code == 400 and self._can_think and "think" in message.lower():
                self._can_think = False
                raise Trouble("it cannot think", delay=0.0) from None
            if error.code in HOPELESS or "API_KEY_INVALID" in str(error.details):
                raise UserError(
                    f"llm 'gemini:{self.model}': HTTP {error.code}, {message}; check the key and the model's name, or "
                    "use --llm local or none"
                ) from None  # the cause would print the whole reply
            raise Trouble(f"HTTP {error.code}", error.code in RETRIED, _retry_delay(error.details)) from None
        except Exception as error:  # the transport's own kind of error, which depends on what is installed
            raise Trouble(type(error).__name__) from None

    def _call(self, request: Request, seconds: float) -> Reply:
        from google import genai
        from google.genai import types

        if self._client is None:
            self._client = genai.Client(api_key=self._key.reveal(), vertexai=False)
        thinking = self._thinking if self._can_think else 0
        reply = self._client.models.generate_content(
            model=self.model,
            contents=request.prompt,
            config=types.GenerateContentConfig(
                system_instruction=request.instructions,
                response_mime_type="application/json" if request.fields else None,
                response_json_schema=schema(request.question) if request.fields else None,
                max_output_tokens=request.answer_tokens + thinking,
                thinking_config=types.ThinkingConfig(thinking_budget=thinking) if thinking else None,
                temperature=TEMPERATURE,
                seed=request.seed,
                http_options=types.HttpOptions(timeout=max(1, int(1000 * seconds))),
            ),
        )
        candidates = reply.candidates or []
        parts = [part for found in candidates for part in (found.content and found.content.parts) or []]
        usage = reply.usage_metadata
        given = (usage and usage.prompt_token_count) or 0
        return Reply(
            text=self._key.redact("".join(part.text for part in parts if part.text and not part.thought)),
            problem=self._key.redact(_problem(reply)),
            input_tokens=given,
            output_tokens=max(0, ((usage and usage.total_token_count) or 0) - given),
        )

    def _safe(self, text: str | None) -> str:
        return clean(self._key.redact(text or "refused"), 200)


def _problem(reply: Any) -> str:
    """Why the reply is no whole answer; empty when it is one."""
    blocked = reply.prompt_feedback and reply.prompt_feedback.block_reason
    if blocked:
        return f"the question was blocked ({getattr(blocked, 'value', blocked)})"
    if not reply.candidates:
        return "no candidate in the reply"
    finish = reply.candidates[0].finish_reason
    reason = str(getattr(finish, "value", finish) or "STOP")
    return "" if reason in ("STOP", "FINISH_REASON_UNSPECIFIED") else f"the answer ended early ({clean(reason)})"


def _retry_delay(details: Any) -> float | None:
    """Seconds of the server's RetryInfo, which google-genai does not heed."""
    error = details.get("error", details) if isinstance(details, dict) else {}
    for detail in error.get("details", []) if isinstance(error, dict) else []:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(detail.get("retryDelay", "")) if isinstance(detail, dict) else "")
        if found:
            return float(found[1])
    return None
