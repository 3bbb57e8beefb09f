"""Which mapping a name means."""

from pathlib import Path

from .anthropic_to_openai import AnthropicToOpenAI
from .base import Mapping
from .configured import read_mappings
from .openai_to_anthropic import OpenAIToAnthropic

CONFIGURED = "json:"


def mappings_by_name(file: Path | None) -> dict[str, Mapping]:
    """Return every mapping by the name that a request's context carries.

    Args:
        file: the operator's, None without one.

    Raises:
        WrongMapping: the file cannot be used.
    """
    own: dict[str, Mapping] = {"anthropic": OpenAIToAnthropic(), "openai": AnthropicToOpenAI()}
    if file is not None:
        own |= {f"{CONFIGURED}{name}": mapping for name, mapping in read_mappings(file).items()}
    return own
