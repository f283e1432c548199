"""What the services ask for, so that a cap in dollars can be kept."""

from __future__ import annotations

from dataclasses import dataclass

AS_OF = "July 2026"  # standard tier of the Gemini Developer API, prompts up to 200,000 tokens


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens; thoughts are charged as output."""

    input: float
    output: float

    def dollars(self, input_tokens: int, output_tokens: int) -> float:
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


FREE = Price(0.0, 0.0)
PRICES = {
    "gemini-2.5-flash-lite": Price(0.10, 0.40),
    "gemini-2.5-flash": Price(0.30, 2.50),
    "gemini-2.5-pro": Price(1.25, 10.00),
    "gemini-3.1-flash-lite": Price(0.25, 1.50),
    "gemini-3-flash-preview": Price(0.50, 3.00),
    "gemini-3.5-flash": Price(1.50, 9.00),
    "gemini-3.1-pro-preview": Price(2.00, 12.00),
}
