"""Checks that the keyring holds what the stored data keys need; `manage.py check --database default` runs them."""

import logging
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import APP, operator_scope

from .exceptions import MissingKey, VaultError
from .keyring import KEYS, PEPPERS, keyring
from .usage import data_keys_by_key, other_wraps, pepper_numbers, peppers, samples

logger = logging.getLogger("gatehouse.vault")


@register(Tags.database)
def check_keyring(
    app_configs: Any = None, *, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Return an error for each key in use that is missing, or of those that encrypt, wrong or out of reach."""
    if not databases or APP not in databases:
        return []
    messages: list[CheckMessage] = []
    for number, count, organization_id, data_key, wrapped in samples():
        try:
            context = {"organization": str(organization_id), "data_key": str(data_key)}
            keyring().provider(number).unwrap(wrapped, context)
        except VaultError as error:
            hint = f"{count} data keys are wrapped by it: without it the secrets of their organizations do not open."
            messages.append(Error(str(error), hint=hint, id="vault.E004"))
    return [*messages, *_missing_peppers()]


def _missing_peppers() -> list[CheckMessage]:
    with acting_as(SYSTEM), operator_scope("check: which peppers the digests of keys need"):
        counted = peppers()
    messages: list[CheckMessage] = []
    for number in sorted({number for counts in counted.values() for number in counts}):
        if number not in keyring().pepper_numbers:
            refused = " and ".join(f"{counts[number]} {name}" for name, counts in counted.items() if number in counts)
            messages.append(Error(str(MissingKey(number, PEPPERS)), hint=f"Refused: {refused}.", id="vault.E005"))
    return messages


def refuse_missing_keys() -> None:
    """Stop a process that could not open what is stored; asks no provider.

    Raises:
        SystemExit: the keyring lacks a key that wraps a data key, or something else.
    """
    for number in {*data_keys_by_key(), *(number for counts in other_wraps().values() for number in counts)}:
        if number not in keyring().key_numbers:
            raise SystemExit(f"Gatehouse: {KEYS}: {MissingKey(number, KEYS)}")


def warn_of_missing_peppers() -> None:
    """Log a line when keys in use are refused for want of a pepper: the others work, so that the process starts."""
    missing = sorted(pepper_numbers() - set(keyring().pepper_numbers))
    if missing:
        logger.warning(
            "%s: the keyring lacks pepper %s, and every key that was made with it is refused. Add it again, or have "
            "these keys rotated; `manage.py check --database default` counts them.",
            PEPPERS,
            ", ".join(map(str, missing)),
        )
