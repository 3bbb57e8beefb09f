"""Evidence exports by API: ask for one, watch it, take the file, cancel or delete it."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from audit.exports.kinds import KINDS
from audit.models import EvidenceExport, ExportState
from audit.query import LONGEST
from audit.querysets import EXPORT
from audit.services.exports import (
    DAYS,
    LONGEST_REASON,
    MOST_DAYS,
    delete_export,
    request_export,
    take_export,
)
from audit.services.whole_log import require_whole_log

TAG = "Audit log"


class ExportAnswer(Answer):
    """An evidence export, and how far it has come."""

    unversioned = frozenset({"done", "events", "percent", "total"})

    id = serializers.UUIDField()
    format = serializers.ChoiceField(choices=list(KINDS))
    query = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    days = serializers.IntegerField(help_text="How long the file is kept once it is there.")
    reason = serializers.CharField()
    requester = serializers.CharField(help_text="The address of the person, or the key, that asked.")
    state = serializers.ChoiceField(choices=ExportState.values)
    percent = serializers.IntegerField(help_text="How much of the log was read.")
    done = serializers.IntegerField(help_text="Events of the log that were read.")
    total = serializers.IntegerField(help_text="Events of the log that are to be read; 0 before that is known.")
    events = serializers.IntegerField(help_text="Events that the file holds so far.")
    size = serializers.IntegerField(allow_null=True, help_text="Of the file, in bytes.")
    sha256 = serializers.CharField(help_text="Of the file, in hexadecimal digits; empty before it is there.")
    problem = serializers.CharField(help_text="Why it failed.")
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the file is deleted.")


class NewExport(Body):
    """What to export."""

    format = serializers.ChoiceField(choices=list(KINDS))
    query = serializers.CharField(
        max_length=LONGEST,
        required=False,
        allow_blank=True,
        help_text="As `q` of the events; without one, all of the period, which alone proves that none is missing.",
    )
    since = serializers.DateTimeField(required=False, allow_null=True, help_text="From this time on.")
    until = serializers.DateTimeField(required=False, allow_null=True, help_text="Before this time.")
    days = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_DAYS, help_text=f"How long the file is kept; {DAYS} by default."
    )
    reason = serializers.CharField(max_length=LONGEST_REASON, required=False, allow_blank=True)


EXAMPLE = {
    "id": "c2d3e4f5-a6b7-4c8d-9e0f-1a2b3c4d5e6f",
    "format": "package",
    "query": "",
    "since": "2026-01-01T00:00:00Z",
    "until": "2026-04-01T00:00:00Z",
    "days": 7,
    "reason": "Audit of the first quarter",
    "requester": "ada@acme.example",
    "state": "completed",
    "percent": 100,
    "done": 48210,
    "total": 48210,
    "events": 48210,
    "size": 19283746,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "problem": "",
    "created_at": "2026-04-02T09:00:00Z",
    "completed_at": "2026-04-02T09:00:12Z",
    "expires_at": "2026-04-09T09:00:12Z",
}
NEW = {
    "format": "package",
    "since": "2026-01-01T00:00:00Z",
    "until": "2026-04-01T00:00:00Z",
    "reason": "Audit of the first quarter",
}


class Exports(OrganizationView):
    """Evidence exports of an organization's log."""

    tag = TAG

    @listing(
        "listEvidenceExports",
        "List evidence exports",
        permission=EXPORT,
        response=ExportAnswer,
        filters={"state": Filter(serializers.ChoiceField(choices=ExportState.values), "state")},
        ordering={"created_at": "created_at"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """They hold the log of every project: whoever may not export all of it finds none."""
        return EvidenceExport.objects.visible_to(self.actor)

    @operation(
        "createEvidenceExport",
        "Make an evidence export",
        permission=EXPORT,
        request=NewExport,
        response=ExportAnswer,
        status=201,
        problems=[HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY],
        example=EXAMPLE
        | {"state": "running", "percent": 0, "done": 0, "total": 0, "events": 0, "size": None, "sha256": ""}
        | {"completed_at": None, "expires_at": None},
        request_example=NEW,
    )
    def post(self) -> EvidenceExport:
        """The worker makes it, of what is sealed now. Ask for it until its state is `completed`, then take the file."""
        name = self.organization.slug
        return request_export(organization_id=self.organization.pk, actor=self.actor, log_name=name, **self.data)


class OneExport(OrganizationView):
    """One evidence export."""

    tag = TAG

    @operation(
        "getEvidenceExport", "Return an evidence export", permission=EXPORT, response=ExportAnswer, example=EXAMPLE
    )
    def get(self, export: UUID) -> EvidenceExport:
        """One whose time is over is not found."""
        found: EvidenceExport = self.find(EvidenceExport.objects.visible_to(self.actor), pk=export)
        return found

    @operation("deleteEvidenceExport", "Cancel or delete an evidence export", permission=EXPORT, status=204)
    def delete(self, export: UUID) -> None:
        """One that is running is canceled; its file is deleted."""
        stored = self.locked(EvidenceExport.objects.visible_to(self.actor), pk=export)
        delete_export(export=stored, actor=self.actor)


class ExportFile(OrganizationView):
    """The file of an evidence export."""

    tag = TAG

    @operation(
        "downloadEvidenceExport",
        "Download the file of an evidence export",
        permission=EXPORT,
        media_types=sorted({kind.content_type.partition(";")[0] for kind in KINDS.values()}),
        problems=[HTTPStatus.CONFLICT],
    )
    def get(self, export: UUID) -> StreamingHttpResponse:
        """409 before it is completed, and when its time is over. Each download is an event."""
        require_whole_log(self.actor)
        found = self.find(EvidenceExport.objects.visible_to(self.actor), pk=export)
        download = take_export(export=found, actor=self.actor)
        headers = {
            "Content-Disposition": f'attachment; filename="{download.name}"',
            "Content-Length": str(download.size),
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(download.blocks, content_type=download.content_type, headers=headers)
