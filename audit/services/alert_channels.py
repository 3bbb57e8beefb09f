"""Changes to the channels that alerts are sent to."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import signals
from audit.alerts.channels import CHANNELS, Channel, opened
from audit.alerts.messages import Message
from audit.models import AlertChannel, Severity
from audit.redaction import snapshot
from audit.sinks.exceptions import DeliveryError
from audit.sinks.options import changed_options, sorted_out
from console.links import root_url
from isolation.actor import Actor
from isolation.exceptions import DomainError

from .alert_rules import require_to_tune

MOST = 20
"""Channels of one organization."""
LONGEST_NAME = 80


@transaction.atomic
def create_channel(
    *, organization_id: UUID, kind: str, name: str, options: Mapping[str, Any], actor: Actor
) -> tuple[AlertChannel, str]:
    """Add a channel; alerts are sent there from now on.

    Args:
        organization_id: whose alerts; its scope is open.
        kind: one of `CHANNELS`.
        name: what people read.
        options: what the channel has to be told, by the names of its options.
        actor: who adds it.

    Returns:
        The channel, and the signing secret that was made for it; "" when it has none of ours.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
        DomainError: a value is refused, or there are too many channels.
    """
    require_to_tune(actor)
    receiver = kind_named(kind)
    if AlertChannel.objects.count() >= MOST:
        raise DomainError(f"There are {MOST} channels. Remove one that you do not need.", code="too_many")
    plain, secret = sorted_out(receiver, options)
    made = receiver.made_secrets(secret)
    receiver.check({**plain, **secret, **made})
    channel = AlertChannel(
        id=uuid4(), organization_id=organization_id, kind=kind, options=plain, created_by=actor.label[:320]
    )
    channel.name = _name(name)
    if secret or made:
        channel.secrets = json.dumps({**secret, **made})
    _store(channel, new=True)
    signals.alert_channel_created.announce(channel, actor=actor, after=snapshot(channel))
    return channel, made.get("secret", "")


@transaction.atomic
def update_channel(
    *, channel: AlertChannel, actor: Actor, name: str | None = None, options: Mapping[str, Any] | None = None
) -> AlertChannel:
    """Change a channel; what is None stays, and so does a secret option that is empty.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
        DomainError: a value is refused.
    """
    require_to_tune(actor)
    stored = _locked(channel)
    before = snapshot(stored)
    if name is not None:
        stored.name = _name(name)
    if options is not None:
        old = stored.revealed()
        stored.options, secrets = changed_options(kind_named(stored.kind), stored.options, old, options)
        if secrets != old:
            stored.secrets = json.dumps(secrets)
    if snapshot(stored) == before:
        return stored
    _store(stored, new=False)
    signals.alert_channel_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_channel(*, channel: AlertChannel, actor: Actor) -> None:
    """Remove a channel; rules that named it go on with their others.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
    """
    require_to_tune(actor)
    stored = _locked(channel)
    signals.alert_channel_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def test_channel(*, channel: AlertChannel, actor: Actor) -> str:
    """Send an alert that says it is a test, and wait for the answer.

    Returns:
        "" when it was accepted, otherwise why not.

    Raises:
        MissingPermission: without ``alerts:manage``.
        FreshSignInNeeded: the session's person showed long ago who they are.
    """
    require_to_tune(actor)
    receiver = opened(channel.kind, {**channel.options, **channel.revealed()}, channel.pk)
    reason = ""
    try:
        receiver.tell(_test_message(channel))
    except DeliveryError as error:
        reason = error.reason
    finally:
        receiver.close()
    signals.alert_channel_tested.announce(channel, actor=actor, before={}, after={"answer": reason or "accepted"})
    return reason


test_channel.__test__ = False  # type: ignore[attr-defined] # pytest takes it for one of its own


def kind_named(kind: str) -> type[Channel]:
    """Return a kind of channel.

    Raises:
        DomainError: there is none of that name.
    """
    found = CHANNELS.get(kind)
    if found is None:
        raise DomainError(f"There is no kind of channel {kind!r}.", field="kind", code="invalid")
    return found


def _test_message(channel: AlertChannel) -> Message:
    now, identifier = timezone.now(), uuid4()
    return Message(
        identifier=f"msg_{identifier.hex}",
        title=f"Test alert for {channel.name}",
        severity=Severity.LOW.value,
        organization="",
        facts=(),
        told=("This is a test. Nothing happened.",),
        why="Alerts will arrive like this.",
        link=f"{settings.PUBLIC_URL}{root_url('')}",
        raised_at=now,
        data={"id": str(identifier), "test": True, "organization_id": str(channel.organization_id)},
    )


def _locked(channel: AlertChannel) -> AlertChannel:
    stored: AlertChannel = AlertChannel.objects.select_for_update().get(pk=channel.pk)
    return stored


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise DomainError(f"Give it a name of 1 to {LONGEST_NAME} characters.", field="name", code="invalid")
    return name


def _store(channel: AlertChannel, *, new: bool) -> None:
    try:
        with transaction.atomic():
            channel.save(force_insert=new, force_update=not new)
    except IntegrityError as error:
        if "audit_alertchannel_name" not in str(error):
            raise
        raise DomainError("There is a channel with this name already.", field="name", code="taken") from error
