"""Changes to evidence exports: ask for one, take it, cancel, delete; and what the worker tells of it."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import signals
from audit.exports import storage
from audit.exports.kinds import KINDS
from audit.exports.selection import sealed_size, wanted_of
from audit.formats import Format
from audit.models import EvidenceExport, ExportState
from audit.redaction import snapshot
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from isolation.scope import APP
from vault.hidden import Hidden

from .whole_log import require_whole_log

DAYS, MOST_DAYS = 7, 30
"""How long a file is kept unless something else is asked for, and at most."""
MOST_RUNNING, MOST = 3, 50
"""Exports of one log at a time: running, and altogether."""
LONGEST_REASON = 500
FILE = "export"


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is being taken away.

    Attributes:
        name: of the file.
        content_type: its media type.
        size: its bytes.
        blocks: its content, piece by piece; it is read when the transaction is over.
    """

    name: str
    content_type: str
    size: int
    blocks: Iterator[bytes]


@transaction.atomic
def request_export(
    *,
    organization_id: UUID,
    format: str,  # noqa: A002 - the word that people know
    actor: Actor,
    query: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    days: int = DAYS,
    reason: str = "",
    log_name: str = "",
) -> EvidenceExport:
    """Ask for a part of a log as a file; the worker makes it.

    Args:
        organization_id: whose log, `INSTALLATION` for the installation's own; its scope is open.
        format: a key of `exports.kinds.KINDS`.
        actor: who asks.
        query: as `audit.query` reads it.
        since: where the period begins; None for no bound.
        until: the first moment after it; None for no bound.
        days: how long the file is kept once it is there.
        reason: why; operators give one.
        log_name: what people call the log, such as ``acme``.

    Raises:
        MissingPermission: without ``audit_log:export``.
        DomainError: not on the whole log; the query cannot be meant, nothing is sealed, there are too many exports, or
            an operator gives no reason.
    """
    require_whole_log(actor)
    if format not in KINDS:
        raise DomainError(f"There is no such format. There are {', '.join(KINDS)}.", field="format", code="invalid")
    if not 1 <= days <= MOST_DAYS:
        raise DomainError(f"Keep it for 1 to {MOST_DAYS} days.", field="days", code="invalid")
    reason = " ".join(reason.split())
    if actor.runs_installation and not reason:
        raise DomainError("Say why: the log keeps it.", field="reason", code="reason_missing")
    if len(reason) > LONGEST_REASON:
        raise DomainError(f"A reason has {LONGEST_REASON} characters at most.", field="reason", code="invalid")
    wanted_of(query, since=since, until=until, actor=actor, now=timezone.now())
    sealed = sealed_size(organization_id)
    if not sealed:
        raise DomainError("Nothing is sealed yet. Events are sealed within seconds: try again.", code="not_sealed")
    _refuse_too_many()
    export = EvidenceExport(
        organization_id=organization_id,
        requester_kind=actor.kind,
        requester_id=actor.id,
        requester=actor.label[:320],
        log_name=log_name[:63],
        reason=reason,
        format=format,
        query=query.strip(),
        since=since,
        until=until,
        days=days,
        as_of=sealed,
        file_key=b64encode(storage.new_key().expose()).decode(),
    )
    export.save(force_insert=True)
    signals.evidence_export_requested.announce(export, actor=actor, after=_told(export), reason=reason)
    return export


@transaction.atomic
def take_export(*, export: EvidenceExport, actor: Actor) -> Download:
    """Open an export's file; the log tells who took it.

    Raises:
        MissingPermission: without ``audit_log:export``.
        DomainError: not on the whole log; there is no file yet, or none any more.
        VaultError: its key cannot be had.
    """
    require_whole_log(actor)
    stored: EvidenceExport = EvidenceExport.objects.get(pk=export.pk)
    if stored.state == ExportState.RUNNING:
        raise DomainError("The export is not completed yet. Ask again later.", code="not_completed")
    gone = stored.expires_at is not None and stored.expires_at <= timezone.now()
    place = place_of(stored)
    if stored.state != ExportState.COMPLETED or gone or not place.path(FILE).exists():
        raise DomainError("The file is gone. Ask for the export again.", code="gone")
    key = key_of(stored)
    signals.evidence_export_downloaded.announce(
        stored,
        actor=actor,
        after={"format": stored.format, "events": stored.events, "size": stored.size, "sha256": stored.sha256},
    )
    return Download(
        file_name(stored), KINDS[stored.format].content_type, int(stored.size or 0), storage.read(place, FILE, key)
    )


@transaction.atomic
def cancel_export(*, export: EvidenceExport, actor: Actor) -> None:
    """Stop an export that is being made; what there is of it is deleted.

    Raises:
        MissingPermission: without ``audit_log:export``.
        DomainError: not on the whole log; it is running no more.
    """
    require_whole_log(actor)
    stored = _locked(export)
    if stored.state != ExportState.RUNNING:
        raise DomainError("The export is running no more. Delete it instead.", code="closed")
    signals.evidence_export_canceled.announce(stored, actor=actor, before=_told(stored))
    _delete(stored)


@transaction.atomic
def delete_export(*, export: EvidenceExport, actor: Actor) -> None:
    """Delete an export and its file; one that is running is canceled.

    Raises:
        MissingPermission: without ``audit_log:export``.
        DomainError: not on the whole log.
    """
    require_whole_log(actor)
    stored = _locked(export)
    if stored.state == ExportState.RUNNING:
        cancel_export(export=stored, actor=actor)
        return
    signals.evidence_export_deleted.announce(stored, actor=actor, before=_told(stored))
    _delete(stored)


@transaction.atomic
def expire_export(*, export: EvidenceExport) -> bool:
    """Delete an export whose time is over; the system does this.

    Returns:
        False: it is not over, or somebody deleted it before.
    """
    stored = EvidenceExport.objects.select_for_update().filter(pk=export.pk, expires_at__lte=timezone.now()).first()
    if stored is None:
        return False
    signals.evidence_export_expired.announce(stored, actor=SYSTEM, before=_told(stored))
    _delete(stored)
    return True


@transaction.atomic
def complete_export(*, export: EvidenceExport, size: int, sha256: str) -> bool:
    """Note that an export's file is there; the worker does this.

    Returns:
        False: somebody canceled it meanwhile.
    """
    stored = _running(export)
    if stored is None:
        return False
    before = _told(stored)
    stored.state, stored.size, stored.sha256 = ExportState.COMPLETED, size, sha256
    _close(stored)
    signals.evidence_export_completed.announce(stored, actor=SYSTEM, before=before, after=_told(stored))
    return True


@transaction.atomic
def fail_export(*, export: EvidenceExport, problem: str) -> bool:
    """Give an export up; the worker does this.

    Returns:
        False: somebody canceled it meanwhile.
    """
    stored = _running(export)
    if stored is None:
        return False
    before = _told(stored)
    stored.state, stored.problem = ExportState.FAILED, problem[:300]
    _close(stored)
    signals.evidence_export_failed.announce(
        stored, actor=SYSTEM, before=before, after=_told(stored), reason=problem[:300]
    )
    transaction.on_commit(partial(place_of(stored).delete), using=APP)
    return True


def place_of(export: EvidenceExport) -> storage.Place:
    """Return where an export's files lie."""
    return storage.Place(export.organization_id, export.pk)


def key_of(export: EvidenceExport) -> Hidden:
    """Return the key of an export's files.

    Raises:
        VaultError: it cannot be had.
    """
    return Hidden(b64decode(export.file_key.reveal()))


def kind_of(export: EvidenceExport) -> Format:
    """Return the format of an export."""
    return KINDS[export.format]


def stem_of(export: EvidenceExport) -> str:
    """Return what an export's file is called, without extension."""
    return stem(name_of(export), export.created_at)


def stem(log_name: str, time: datetime) -> str:
    """Return what a file of a log is called, without extension."""
    return f"audit-{log_name}-{time:%Y%m%dT%H%M%SZ}"


def name_of(export: EvidenceExport) -> str:
    """Return what people call an export's log."""
    return export.log_name or ("installation" if export.is_installations else str(export.organization_id))


def file_name(export: EvidenceExport) -> str:
    """Return what an export's file is called."""
    return f"{stem_of(export)}.{kind_of(export).extension}"


def _told(export: EvidenceExport) -> dict[str, object]:
    told = snapshot(export)
    return {name: value for name, value in told.items() if value not in (None, "", 0)}


def _locked(export: EvidenceExport) -> EvidenceExport:
    stored: EvidenceExport = EvidenceExport.objects.select_for_update().get(pk=export.pk)
    return stored


def _running(export: EvidenceExport) -> EvidenceExport | None:
    found: EvidenceExport | None = (
        EvidenceExport.objects.select_for_update().filter(pk=export.pk, state=ExportState.RUNNING).first()
    )
    return found


def _close(stored: EvidenceExport) -> None:
    stored.completed_at = timezone.now()
    stored.expires_at = stored.completed_at + timedelta(days=stored.days)
    stored.save()


def _delete(stored: EvidenceExport) -> None:
    place = place_of(stored)
    stored.delete()
    transaction.on_commit(place.delete, using=APP)


def _refuse_too_many() -> None:
    rows = EvidenceExport.objects.all()
    if rows.filter(state=ExportState.RUNNING).count() >= MOST_RUNNING:
        raise DomainError(
            f"{MOST_RUNNING} exports are being made already. Wait until one is completed, or cancel one.",
            code="too_many",
        )
    if rows.count() >= MOST:
        raise DomainError(f"There are {MOST} exports. Delete one that nobody needs.", code="too_many")
