"""What a destination is told: sorted into what is stored plainly and what is stored encrypted, and checked."""

from collections.abc import Mapping
from typing import Any

from isolation.exceptions import DomainError

from .base import Destination, Entry, Option

LONGEST = 20_000
"""Characters of one option: several certificates."""


def sorted_out(receiver: type[Destination], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the plain options and the secret ones, each checked by what it is.

    Args:
        receiver: the destination.
        given: by the names of its options.

    Raises:
        DomainError: one is unknown, missing or malformed.
    """
    known = {option.name: option for option in receiver.options}
    for name in given:
        if name not in known:
            raise DomainError(f"{receiver.label} has no setting {name!r}.", field=name, code="invalid")
    plain: dict[str, Any] = {}
    secret: dict[str, str] = {}
    for option in receiver.options:
        value = _value(option, given.get(option.name, option.default))
        if value == "" or value is None:
            if option.required:
                raise DomainError(f"{option.label} is needed.", field=option.name, code="required")
            continue
        if option.secret:
            secret[option.name] = str(value)
        else:
            plain[option.name] = value
    return plain, secret


def _value(option: Option, value: Any) -> Any:
    if option.entry is Entry.FLAG:
        return bool(value)
    if option.entry is Entry.NUMBER:
        try:
            return int(value) if value not in {"", None} else ""
        except (TypeError, ValueError):
            raise DomainError(f"{option.label} is a whole number.", field=option.name, code="invalid") from None
    if not isinstance(value, str):
        raise DomainError(f"{option.label} is a text.", field=option.name, code="invalid")
    text = value.strip()
    if len(text) > LONGEST or "\0" in text:
        raise DomainError(f"{option.label} is too long.", field=option.name, code="invalid")
    if option.entry is Entry.CHOICE and text not in {each for each, _label in option.choices}:
        raise DomainError(f"{option.label} has no choice {text!r}.", field=option.name, code="invalid")
    return text


def changed_options(
    receiver: type[Destination], plain: Mapping[str, Any], secrets: Mapping[str, str], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a sink's options with changes; a secret one that is empty stays.

    With another address, secrets that somebody typed in have to be typed in again: they are not sent to a place for
    which they were not given.

    Args:
        receiver: the destination.
        plain: the plain options as they are.
        secrets: the secret ones, with those that the destination made itself.
        given: what changes, by the names of options.

    Raises:
        DomainError: one is unknown, missing, malformed, or cannot work.
    """
    typed = {option.name: option for option in receiver.options if option.secret}
    ours = {name: value for name, value in secrets.items() if name not in typed}
    kept = {name: value for name, value in secrets.items() if name in typed}
    changed = {name: value for name, value in given.items() if name not in typed or value}
    addresses = [option.name for option in receiver.options if option.entry is Entry.URL or option.is_address]
    moved = any(name in changed and changed[name] != plain.get(name, "") for name in addresses)
    if moved and not ours:
        for name in kept.keys() - changed.keys():
            label = typed[name].label
            raise DomainError(
                f"With another address, give {label} again: it is not sent where it was not meant for.",
                field=name,
                code="required",
            )
    new, secret = sorted_out(receiver, {**plain, **kept, **changed})
    receiver.check({**new, **secret, **ours})
    return new, {**secret, **ours}
