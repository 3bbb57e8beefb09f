"""Tells owners what changed about what is kept of their audit log, while they can still do something about it."""

from typing import Any

from django.db import transaction
from django.dispatch import receiver

from audit.models import ErasureRequest, LegalHold, RetentionChange
from audit.signals import (
    erasure_cancelled,
    erasure_requested,
    legal_hold_released,
    legal_hold_set,
    retention_announced,
)
from isolation.actor import Actor
from isolation.scope import INSTALLATION

from .audit_mails import audit_keeping_notices

_DOUBT = "If nobody of you meant that, {undo}, and end the sessions of whoever it was."


@receiver(retention_announced, dispatch_uid="accounts:retention_announced")
def tell_of_retention(
    sender: object, *, target: RetentionChange, actor: Actor, before: dict[str, Any], **kwargs: Any
) -> None:
    """Tell that events are kept for another time."""
    now, former = _months(target.months), _months(before["months"])
    sentences = [
        f"{actor.label} changed how long the events of the audit log are kept: {now}; it was {former}.",
        _from_when(target),
    ]
    if target.is_announced_only:
        sentences.append(_DOUBT.format(undo="choose the former time again before then"))
    _send(target, "how long the audit log is kept changes", sentences)


@receiver(legal_hold_set, dispatch_uid="accounts:legal_hold_set")
def tell_of_hold(sender: object, *, target: LegalHold, actor: Actor, **kwargs: Any) -> None:
    """Tell that events are held."""
    who = f"{actor.label}, an operator," if target.by_operator else actor.label
    sentences = [
        f"{who} set the legal hold “{target.name}” on the audit log: {target.reason}",
        "Until it is released what it is about stays, nobody is erased from it, and the organization is not deleted.",
    ]
    _send(target, "a legal hold was set", sentences)


@receiver(legal_hold_released, dispatch_uid="accounts:legal_hold_released")
def tell_of_release(sender: object, *, target: LegalHold, actor: Actor, **kwargs: Any) -> None:
    """Tell that a hold ends in a week."""
    sentences = [
        f"{actor.label} released the legal hold “{target.name}” on the audit log: {target.release_reason}",
        f"It goes on until {_moment(target.ends_at)}.",
        _DOUBT.format(undo="set another one before then"),
    ]
    _send(target, "a legal hold was released", sentences)


@receiver(erasure_requested, dispatch_uid="accounts:erasure_requested")
def tell_of_erasure(sender: object, *, target: ErasureRequest, actor: Actor, **kwargs: Any) -> None:
    """Tell that somebody will be erased."""
    sentences = [
        f"{actor.label} asked to erase a person from the audit log: {target.reason}",
        f"Name, addresses and what else is personal of them go after {_moment(target.due_at)}, for good.",
        _DOUBT.format(undo="call it off before then"),
    ]
    _send(target, "a person will be erased from the audit log", sentences)


@receiver(erasure_cancelled, dispatch_uid="accounts:erasure_cancelled")
def tell_of_cancelled_erasure(sender: object, *, target: ErasureRequest, actor: Actor, **kwargs: Any) -> None:
    """Tell that nobody will be."""
    _send(target, "an erasure was called off", [f"{actor.label} called an erasure from the audit log off."])


def _send(target: Any, title: str, sentences: list[str]) -> None:
    log = None if target.organization_id == INSTALLATION else target.organization_id
    for message in audit_keeping_notices(log, {"title": title, "sentences": sentences}):
        transaction.on_commit(message.send, robust=True)


def _from_when(change: RetentionChange) -> str:
    if not change.is_announced_only:
        return "It counts from now on."
    return f"It counts from {_moment(change.effective_at)} on. Until then nothing is lost that would be kept before."


def _months(months: int | None) -> str:
    return "without end" if months is None else f"for {months} months"


def _moment(time: Any) -> str:
    return f"{time:%-d %B %Y, %H:%M} UTC"
