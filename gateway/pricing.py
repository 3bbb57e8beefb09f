"""What a request costs, in millionths of a US dollar: whole numbers throughout, money is never a float."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

PER = 1_000_000
"""Prices are asked for so many tokens."""


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A model's price from a moment on.

    Attributes:
        provider: whose model.
        model: its name, or a pattern.
        input, cached_input, output: millionths of a US dollar for a million tokens.
        valid_from: in seconds of Unix time.
    """

    provider: str
    model: str
    input: int
    cached_input: int
    output: int
    valid_from: float

    def cost(self, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Return what tokens cost, rounded half up.

        Args:
            input_tokens: all of the prompt, the cached ones included.
            cached_tokens: those of them that the provider had in its cache.
            output_tokens: of the answer.
        """
        cached = min(cached_tokens, input_tokens)
        total = (input_tokens - cached) * self.input + cached * self.cached_input + output_tokens * self.output
        return (total + PER // 2) // PER

    @property
    def dearest(self) -> int:
        """Return the highest of its prices: what an estimate reckons with."""
        return max(self.input, self.cached_input, self.output)


def price_of(prices: Sequence[ModelPrice], provider: str, model: str, now: float) -> ModelPrice | None:
    """Return the price in force: of the longest name or pattern that fits, the newest that has begun.

    Args:
        prices: all of them.
        provider: whose model.
        model: its name.
        now: in seconds of Unix time.
    """
    fitting = [
        price
        for price in prices
        if price.provider == provider and price.valid_from <= now and fnmatchcase(model, price.model)
    ]
    # Where two are equally long, the one without a sign stands for this model alone.
    return max(fitting, key=lambda price: (len(price.model), "*" not in price.model, price.valid_from), default=None)
