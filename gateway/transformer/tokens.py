"""What a response says it used, whoever's it is."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Tokens:
    """Tokens of one request.

    Attributes:
        input: of the prompt, those that came from the provider's cache included.
        cached: of these, those that came from the provider's cache.
        output: of the answer.
    """

    input: int = 0
    cached: int = 0
    output: int = 0

    def __bool__(self) -> bool:
        return bool(self.input or self.output)


class TokenCount:
    """Adds up what the parts of a response say; a later statement about the same figure replaces the earlier one.

    Attributes:
        tokens: what was said so far.
        events: how many events of a stream have passed.
    """

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.events = 0

    def at_least(self, prompt: int) -> Tokens:
        """Return what was used of a stream that did not say it, or not to its end: an event holds a token or more.

        Args:
            prompt: what the request's text came to.
        """
        said = self.tokens
        return Tokens(said.input or prompt, said.cached, max(said.output, self.events))

    def read_event(self, document: dict[str, Any]) -> None:
        """Take the figures of one event of a stream."""
        self.events += 1
        self.read(document)

    def read(self, document: dict[str, Any]) -> None:
        """Take the figures of a response."""
        for holder in (document, document.get("message"), document.get("response")):
            if isinstance(holder, dict):
                usage = holder.get("usage")
                if isinstance(usage, dict):
                    self._read_usage(usage)
        metadata = document.get("usageMetadata")
        if isinstance(metadata, dict):
            self._read_gemini(metadata)

    def read_headers(self, headers: dict[str, str]) -> None:
        """Take the figures that Bedrock's InvokeModel puts into headers."""
        for name, figure in (
            ("input", "x-amzn-bedrock-input-token-count"),
            ("output", "x-amzn-bedrock-output-token-count"),
        ):
            text = headers.get(figure, "")
            if text.isdecimal():
                setattr(self.tokens, name, int(text))

    def _read_usage(self, usage: dict[str, Any]) -> None:
        # Anthropic counts what comes from its cache and what goes there beside the rest of the prompt.
        beside = _count(usage, "cache_read_input_tokens", "cacheReadInputTokens")
        written = _count(usage, "cache_creation_input_tokens", "cacheWriteInputTokens")
        prompt = _count(usage, "prompt_tokens", "input_tokens", "inputTokens")
        if prompt is not None or beside is not None:
            self.tokens.input = (prompt or 0) + (beside or 0) + (written or 0)
            self.tokens.cached = beside or 0
        for details in ("prompt_tokens_details", "input_tokens_details"):
            if isinstance(usage.get(details), dict):
                self.tokens.cached = _count(usage[details], "cached_tokens") or 0
        output = _count(usage, "completion_tokens", "output_tokens", "outputTokens")
        if output is not None:
            self.tokens.output = output

    def _read_gemini(self, metadata: dict[str, Any]) -> None:
        prompt = _count(metadata, "promptTokenCount")
        if prompt is not None:
            self.tokens.input = prompt
        self.tokens.cached = _count(metadata, "cachedContentTokenCount") or self.tokens.cached
        answer, thoughts = _count(metadata, "candidatesTokenCount"), _count(metadata, "thoughtsTokenCount")
        if answer is not None or thoughts is not None:
            self.tokens.output = (answer or 0) + (thoughts or 0)


def _count(holder: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = holder.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None
