"""What a run may spend on its language model, and what it has spent. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from jnas.resolving.prices import AS_OF, PRICES, Price
from translators.diagnostics import UserError


class BudgetSpent(Exception):
    """No more questions may be asked; the message says which cap is reached."""


@dataclass(frozen=True)
class Limits:
    """Caps of a run: calls (repeated ones count), tokens (input, thoughts and output), dollars. None: no cap."""

    calls: int | None = None
    tokens: int | None = None
    dollars: float | None = None


NO_LIMITS = Limits()


class Meter:
    """Counts calls and tokens. A call is begun only below every cap, so that at most the last one goes beyond it."""

    def __init__(self, limits: Limits, price: Price | None, model: str) -> None:
        """Raises UserError when dollars are capped and the price of the model is not known."""
        if limits.dollars is not None and price is None:
            raise UserError(
                f"llm.dollars = {limits.dollars:g}: the price of {model} is not known ({AS_OF}); "
                f"name one of {', '.join(PRICES)}, or cap llm.tokens instead"
            )
        self._limits, self._price = limits, price
        self.calls = self.input_tokens = self.output_tokens = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def dollars(self) -> float | None:
        """None where the price is not known."""
        return None if self._price is None else self._price.dollars(self.input_tokens, self.output_tokens)

    def check(self) -> None:
        """Raises BudgetSpent."""
        limits = self._limits
        for name, spent, cap, shown in (
            ("calls", self.calls, limits.calls, f"{self.calls:,}"),
            ("tokens", self.tokens, limits.tokens, f"{self.tokens:,}"),
            ("dollars", self.dollars or 0.0, limits.dollars, f"{self.dollars or 0.0:.4f}"),
        ):
            if cap is not None and spent >= cap:
                raise BudgetSpent(f"llm.{name} = {cap:,} is spent ({shown})")

    def add(self, calls: int = 0, input_tokens: int = 0, output_tokens: int = 0) -> None:
        self.calls += calls
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens

    def text(self) -> str:
        """`12 calls, 8,120 tokens, $0.0031`; without dollars where nothing is charged or the price is not known."""
        words = f"{self.calls:,} calls, {self.tokens:,} tokens"
        return words + (f", ${self.dollars:.4f}" if self.dollars else "")
