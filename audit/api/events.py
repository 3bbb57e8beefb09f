"""The audit log by API: list, one event, download."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer
from api.views import OrganizationView
from audit import download
from audit.audit_events import record_export
from audit.models import Event, Outcome
from audit.querysets import EXPORT, READ

from .filters import FILTERS, event_filter

TAG = "Audit log"


class EventAnswer(Answer):
    """An event, as it was frozen when it happened."""

    id = serializers.UUIDField()
    time = serializers.DateTimeField()
    organization_id = serializers.UUIDField()
    actor_kind = serializers.CharField()
    actor_id = serializers.UUIDField(allow_null=True)
    actor_label = serializers.CharField(help_text="The person's address or the key's public id, as it was.")
    via = serializers.CharField(help_text="The door: console, api, cli, …")
    action = serializers.CharField(help_text="`resource.verb_in_past`; names are for ever.")
    action_label = serializers.CharField()
    outcome = serializers.ChoiceField(choices=Outcome.values)
    target_type = serializers.CharField()
    target_id = serializers.CharField()
    target_label = serializers.CharField()
    project_id = serializers.UUIDField(allow_null=True)
    project_label = serializers.CharField()
    before = serializers.DictField(help_text="The fields that changed, before; secrets are redacted.")
    after = serializers.DictField(help_text="The same fields after.")
    reason = serializers.CharField()
    request_id = serializers.CharField()
    session = serializers.CharField(help_text="Groups the events of one session; never the session's key.")
    ip = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()


EXAMPLE = {
    "id": "6f708192-a3b4-4c5d-8e6f-708192a3b4c5",
    "time": "2026-01-05T09:00:00Z",
    "organization_id": "0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11",
    "actor_kind": "user",
    "actor_id": "5b7c7b4e-4f5f-4a77-9d0e-6a9f7c8d1e22",
    "actor_label": "ada@acme.example",
    "via": "api",
    "action": "member.role_changed",
    "action_label": "Changed a member's role",
    "outcome": "success",
    "target_type": "member",
    "target_id": "7c8d9e0f-2b3c-4d5e-8f60-718293a4b5c6",
    "target_label": "grace@acme.example",
    "project_id": None,
    "project_label": "",
    "before": {"role": "Viewer"},
    "after": {"role": "Member"},
    "reason": "",
    "request_id": "3f1c0c8f7d5a4d4c9a1be2f3a4b5c6d7",
    "session": "",
    "ip": "203.0.113.7",
    "user_agent": "curl/8.5.0",
}


class Events(OrganizationView):
    """The log of an organization."""

    tag = TAG

    @listing(
        "listAuditEvents",
        "List audit events",
        permission=READ,
        anywhere=True,
        response=EventAnswer,
        filters=FILTERS,
        ordering={"time": "time"},
        default_ordering="-time",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Who may read the log of some projects only finds their events."""
        return event_filter(self.query, self.actor).apply(Event.objects.visible_to(self.actor))


class OneEvent(OrganizationView):
    """One event."""

    tag = TAG

    @operation(
        "getAuditEvent",
        "Return an audit event",
        permission=READ,
        anywhere=True,
        response=EventAnswer,
        example=EXAMPLE,
    )
    def get(self, event: UUID) -> Event:
        """Events are never changed."""
        found: Event = self.find(Event.objects.visible_to(self.actor), pk=event)
        return found


class Export(OrganizationView):
    """The log as a file."""

    tag = TAG

    @operation(
        "exportAuditEvents",
        "Download audit events as a file",
        permission=EXPORT,
        anywhere=True,
        media_types=["text/csv", "application/x-ndjson"],
        filters={
            "format": Filter(
                serializers.ChoiceField(
                    choices=list(download.CONTENT_TYPES), help_text="CSV, or a JSON object a line."
                ),
                required=True,
            ),
            **FILTERS,
        },
    )
    def get(self) -> StreamingHttpResponse:
        """The newest 100,000 events that pass the filter, as they are; the download itself is an event.

        For more of them, and for what proves itself, make an evidence export.
        """
        wanted = event_filter(self.query, self.actor, EXPORT)
        return download.send(
            lambda: wanted.apply(Event.objects.visible_to(self.actor, EXPORT)),
            lambda told: record_export(self.actor, self.organization.pk, told),
            wanted=wanted,
            form=self.query["format"],
            stem=f"audit-log-{self.organization.slug}",
        )
