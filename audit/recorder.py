"""Writes audit events: the only place that does, fed by signals."""

from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.dispatch import Signal
from django.utils import timezone

from isolation import context
from isolation.actor import Actor
from isolation.managers import tenant_column
from isolation.scope import INSTALLATION, on_scope_exit, tenant_scope
from isolation.signals import access_denied, operator_scope_entered

from .catalogue import Action, catalogue
from .models import Event, Outcome
from .redaction import changes

ACCESS_DENIED = catalogue.add(Action("access.denied", "Was refused access"))
SECRETS_REENCRYPTED = catalogue.add(Action("secrets.reencrypted", "Encrypted stored secrets again"))
OPERATOR_SCOPE_ENTERED = catalogue.add(Action("operator.scope_entered", "Read across organizations"))


def records(signal: Signal, name: str, label: str, sentence: str = "") -> Action:
    """Register the action `name` and write an event of it whenever `signal` is sent.

    Args:
        signal: a service's domain signal: a `ChangeSignal`, or one of a package below this app that sends the same.
        name: the action's stable name, ``resource.verb_in_past``.
        label: the words that a person reads.
        sentence: see `Action`.
    """
    action = catalogue.add(Action(name, label, sentence=sentence))

    def receiver(sender: type[models.Model], **payload: Any) -> None:
        payload.pop("signal", None)
        _record_change(action, **payload)

    signal.connect(receiver, weak=False, dispatch_uid=f"audit:{name}")
    return action


def record(
    action: Action,
    *,
    actor: Actor,
    organization_id: UUID | None = None,
    outcome: str = Outcome.SUCCESS,
    target_type: str = "",
    target_id: str = "",
    target_label: str = "",
    project: models.Model | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> Event:
    """Write one event in the running transaction.

    Only this app and the apps' `audit_events.py` call this; services send signals.

    Args:
        action: a registered action.
        actor: who acted.
        organization_id: whose log it belongs to, None for the installation's. Its `tenant_scope` must be open.
        outcome: one of `Outcome`.
        target_type: what sort of thing was acted on ("member").
        target_id: its id, as text.
        target_label: its name, frozen.
        project: the project it happened in, if any.
        before: the changed fields as JSON values before, secrets already redacted.
        after: the same after.
        reason: why, in the actor's words.

    Returns:
        The event as it was stored.
    """
    origin = context.current_origin()
    event = Event(
        time=timezone.now(),
        organization_id=None if organization_id == INSTALLATION else organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label[:320],
        via=origin.via,
        action=catalogue.get(action.name).name,
        outcome=outcome,
        target_type=target_type,
        target_id=target_id,
        target_label=target_label[:320],
        project_id=project.pk if project is not None else None,
        project_label=str(project)[:200] if project is not None else "",
        before=before or {},
        after=after or {},
        reason=reason,
        request_id=origin.request_id,
        session=origin.session,
        ip=origin.ip,
        user_agent=origin.user_agent[:400],
    )
    event.save()
    return event


def _record_change(
    action: Action,
    *,
    target: models.Model,
    actor: Actor,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    project: models.Model | None,
    organization_id: UUID | None,
    reason: str,
) -> None:
    before, after = changes(before, after)
    record(
        action,
        actor=actor,
        organization_id=organization_id or organization_of(target),
        target_type=str(target._meta.verbose_name),
        target_id=str(target.pk),
        target_label=str(target),
        project=project,
        before=before,
        after=after,
        reason=reason,
    )


def organization_of(target: models.Model | None) -> UUID | None:
    """Return the id of the organization that a row belongs to, None for rows of the installation."""
    column = tenant_column(type(target)) if target is not None else None
    return getattr(target, column) if column else None


def record_reencryption(sender: object, *, data_key: models.Model, **kwargs: Any) -> None:
    """Write that the running transaction encrypted rows of an organization again.

    What the rows say does not change; the event names the organization, and so stands for all of the batch.
    """
    organization_id = organization_of(data_key)
    record(
        SECRETS_REENCRYPTED,
        actor=context.current_actor(),
        organization_id=organization_id,
        target_type="secrets",
        target_id=str(organization_id),
        target_label="Stored secrets",
        after={"data_key": str(data_key)},
    )


def _project_of(obj: models.Model | None) -> models.Model | None:
    """Return the project that something belongs to; None when there is none, or when it cannot be seen from here."""
    try:
        project: models.Model | None = getattr(obj, "project", None)
    except ObjectDoesNotExist:
        return None
    return project


def _record_denial(
    sender: object,
    *,
    actor: Actor,
    permission: str,
    obj: models.Model | None,
    **kwargs: Any,
) -> None:
    """Write the refusal once the refused transaction is over, because that one rolls back."""
    organization_id = organization_of(obj) or context.current_organization_id() or actor.organization_id
    write = partial(
        record,
        ACCESS_DENIED,
        actor=actor,
        organization_id=organization_id,
        outcome=Outcome.DENIED,
        target_type=str(obj._meta.verbose_name) if obj is not None else "",
        target_id=str(obj.pk) if obj is not None else "",
        target_label=str(obj) if obj is not None else "",
        project=_project_of(obj),
        after={"permission": permission},
    )
    origin = context.current_origin()

    def settle() -> None:
        with context.originating(origin):
            if organization_id is None:
                write()
                return
            with tenant_scope(organization_id):
                write()

    on_scope_exit(settle)


def _record_operator_scope(sender: object, *, actor: Actor, reason: str, **kwargs: Any) -> None:
    record(OPERATOR_SCOPE_ENTERED, actor=actor, reason=reason)


access_denied.connect(_record_denial, dispatch_uid="audit:access.denied")
operator_scope_entered.connect(_record_operator_scope, dispatch_uid="audit:operator.scope_entered")
