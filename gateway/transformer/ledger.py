"""Where it is written down what a request used, and where its limits are settled."""

import asyncio
import contextlib
import logging

from gateway.hotpath.limits import Limits
from gateway.hotpath.proxy_request import ProxyRequest
from gateway.hotpath.usage import PASSED, WRITE_SECONDS, Usage

from .tokens import Tokens

logger = logging.getLogger("gatehouse.transformer")


class UsageLedger:
    """The limits and the usage of one process.

    Args:
        limits: what was reserved for requests.
        usage: what they used.
    """

    def __init__(self, limits: Limits, usage: Usage) -> None:
        self._limits = limits
        self._usage = usage

    async def admit(self, request: ProxyRequest, tokens: int) -> None:
        """Hold a request against the limits once more, now that its body is known.

        Args:
            request: the request.
            tokens: what its text comes to.

        Raises:
            Refused: there is no room for it.
        """
        await self._limits.admit_body(request, tokens)

    async def settle(self, request: ProxyRequest, outcome: str, tokens: Tokens) -> None:
        """Take down the outcome of a request, once.

        Args:
            request: the request; afterwards nothing is reserved for it.
            outcome: one of `gateway.hotpath.usage.PASSED`, or the code of a refusal.
            tokens: what the answer said that it used.
        """
        cost = self._usage.note(
            request, outcome, input_tokens=tokens.input, cached_tokens=tokens.cached, output_tokens=tokens.output
        )
        if outcome in PASSED:
            await self._limits.settle(
                request,
                input_tokens=tokens.input,
                cached_tokens=tokens.cached,
                output_tokens=tokens.output,
                cost=cost,
            )
        else:
            await self._limits.release(request)

    async def run(self) -> None:
        """Write usage for ever."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self._usage.write()
            except Exception:
                logger.exception("what was used could not be written")

    async def close(self) -> None:
        """Write what is waiting, and give back what is reserved."""
        with contextlib.suppress(Exception):
            await self._usage.write()
        await self._limits.close()
