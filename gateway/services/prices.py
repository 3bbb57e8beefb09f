"""The installation's price table: each price counts from a moment on, and what was counted stays as it was."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.redaction import snapshot
from gateway import signals
from gateway.models import Price, Provider
from gateway.pricing import PER
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from tenants.services.rules import one_of_a_kind, operators_only

from .usage_limits import check_model

LIST = Path(__file__).parent.parent / "data" / "prices.json"
MOST_PRICE = 1_000_000 * PER
"""A million dollars for a million tokens."""


@transaction.atomic
def add_price(
    *,
    provider: str,
    model: str,
    input: int,  # noqa: A002 - the model's own name for it
    cached_input: int,
    output: int,
    actor: Actor,
    valid_from: datetime | None = None,
) -> Price:
    """Add a price; from `valid_from` on requests are counted by it, those of before stay as they were.

    Args:
        provider: whose model (`Provider`).
        model: its name, or a pattern.
        input: millionths of a US dollar for a million tokens of a prompt.
        cached_input: the same, for those that the provider had in its cache.
        output: the same, for tokens of an answer.
        actor: an operator, or the system.
        valid_from: now when it is not said.

    Raises:
        DomainError: not an operator, or a value is refused.
    """
    operators_only(actor)
    if provider not in Provider.values:
        raise DomainError("There is no such provider.", field="provider", code="invalid")
    price = Price(
        provider=provider,
        model=check_model(model, field="model"),
        input=_checked(input, "input"),
        cached_input=_checked(cached_input, "cached_input"),
        output=_checked(output, "output"),
        valid_from=valid_from or timezone.now(),
        created_by=actor.label[:320],
    )
    with one_of_a_kind(Price, field="valid_from"):
        price.save(force_insert=True)
    signals.price_added.announce(price, actor=actor, after=snapshot(price))
    return price


@transaction.atomic
def delete_price(*, price: Price, actor: Actor) -> None:
    """Delete a price; requests are counted by what is left, those of before stay as they were.

    Raises:
        DomainError: not an operator, or it is gone.
    """
    operators_only(actor)
    stored = Price.objects.select_for_update().filter(pk=price.pk).first()
    if stored is None:
        raise DomainError("This price no longer exists. Somebody may have deleted it.", code="gone")
    signals.price_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def load_price_list() -> int:
    """Add the prices of the list that comes with this version, once; operators' own are left as they are.

    Returns:
        how many were added.
    """
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    label = f"Price list of {listed['date']}"
    if Price.objects.filter(created_by=label).exists():
        return 0
    valid_from = datetime.fromisoformat(listed["date"]).replace(tzinfo=UTC)
    added = 0
    for provider, models in listed["prices"].items():
        for model, prices in models.items():
            added += _load(label, provider, model, prices, valid_from)
    return added


def micros(dollars: str) -> int:
    """Return an amount of US dollars in millionths.

    Raises:
        ValueError: it has parts smaller than that.
    """
    exact = Decimal(dollars) * PER
    if exact != exact.to_integral_value():
        raise ValueError(dollars)
    return int(exact)


def dollars(amount: int) -> str:
    """Return millionths of a US dollar as people write them, with two digits or as many as it takes."""
    whole, rest = divmod(amount, PER)
    text = f"{rest:06}".rstrip("0").ljust(2, "0")
    return f"{whole:,}.{text}"


def plain(amount: int) -> str:
    """Return millionths of a US dollar without separators, as programs read them."""
    return dollars(amount).replace(",", "")


def cents(amount: int) -> str:
    """Return millionths of a US dollar rounded to cents; exactly where they are less than one."""
    cent = PER // 100
    if 0 < amount < cent:
        return dollars(amount)
    return dollars((amount + cent // 2) // cent * cent)


def _checked(price: int, field: str) -> int:
    if not 0 <= price <= MOST_PRICE:
        raise DomainError("A price is from 0 to 1,000,000 US dollars.", field=field, code="invalid")
    return price


def _load(label: str, provider: str, model: str, prices: list[str], valid_from: datetime) -> int:
    values: dict[str, Any] = dict(zip(("input", "cached_input", "output"), map(micros, prices), strict=True))
    price = Price(provider=provider, model=model, valid_from=valid_from, created_by=label, **values)
    try:
        with transaction.atomic():
            price.save(force_insert=True)
            signals.price_added.announce(price, actor=SYSTEM, after=snapshot(price))
    except IntegrityError:
        return 0  # another process, or an operator's own
    return 1
