"""Alerts by API: list, read, acknowledge."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from audit.alerts.registry import RULES
from audit.models import Alert, AlertState, Severity
from audit.querysets import ALERTS_MANAGE, READ
from audit.services.alerts import LONGEST_NOTE, acknowledge_alert

TAG = "Alerts"


class AlertAnswer(Answer):
    """Something that a rule found."""

    id = serializers.UUIDField()
    rule = serializers.CharField(help_text="Its name among the alert rules.")
    title = serializers.CharField()
    subject = serializers.CharField(source="subject_label", help_text="Who or what it is about.")
    severity = serializers.ChoiceField(choices=Severity.values)
    state = serializers.ChoiceField(choices=AlertState.values)
    count = serializers.IntegerField(help_text="What was counted, such as failed sign-ins; it grows while it goes on.")
    told = serializers.ListField(child=serializers.CharField(), help_text="Sentences: what exactly happened.")
    started_at = serializers.DateTimeField(help_text="The time of its first event.")
    last_time = serializers.DateTimeField(help_text="The time of its last event.")
    first_seq = serializers.IntegerField(help_text="The number of its first event in the sealed log.")
    last_seq = serializers.IntegerField()
    numbers = serializers.ListField(
        child=serializers.IntegerField(), help_text="The numbers of its first 100 events in the sealed log."
    )
    raised_at = serializers.DateTimeField()
    acknowledged_at = serializers.DateTimeField(source="settled_at", allow_null=True)
    acknowledged_by = serializers.CharField(source="settled_by")
    note = serializers.CharField()


class Acknowledgment(Body):
    """What somebody found."""

    note = serializers.CharField(max_length=LONGEST_NOTE, required=False, allow_blank=True)


EXAMPLE: dict[str, Any] = {
    "id": "4d5e6f70-8192-4b3c-8d5e-6f708192a3b4",
    "rule": "sign_in_burst",
    "title": "Burst of failed sign-ins",
    "subject": "ada@acme.example",
    "severity": "medium",
    "state": "open",
    "count": 14,
    "told": [],
    "started_at": "2026-01-05T09:00:00Z",
    "last_time": "2026-01-05T09:04:12Z",
    "first_seq": 4711,
    "last_seq": 4731,
    "numbers": [4711, 4712, 4714],
    "raised_at": "2026-01-05T09:03:02Z",
    "acknowledged_at": None,
    "acknowledged_by": "",
    "note": "",
}
ACKNOWLEDGED = {
    "state": "acknowledged",
    "acknowledged_at": "2026-01-05T09:30:00Z",
    "acknowledged_by": "grace@acme.example",
    "note": "Forgot the password.",
}


class Alerts(OrganizationView):
    """What rules have found in the log of an organization."""

    tag = TAG

    @listing(
        "listAlerts",
        "List alerts",
        permission=READ,
        response=AlertAnswer,
        filters={
            "state": Filter(serializers.ChoiceField(choices=AlertState.values), "state"),
            "severity": Filter(serializers.ChoiceField(choices=Severity.values), "severity"),
            "rule": Filter(serializers.ChoiceField(choices=list(RULES)), "rule"),
        },
        ordering={"raised_at": "raised_at", "started_at": "started_at"},
        default_ordering="-raised_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """The newest first, muted and acknowledged ones among them."""
        return Alert.objects.all()


class OneAlert(OrganizationView):
    """One alert."""

    tag = TAG

    @operation("getAlert", "Return an alert", permission=READ, response=AlertAnswer, example=EXAMPLE)
    def get(self, alert: UUID) -> Alert:
        """Its events are those of the sealed log with its numbers."""
        found: Alert = self.find(Alert.objects.all(), pk=alert)
        return found


class AlertAcknowledgment(OrganizationView):
    """Somebody has looked into an alert."""

    tag = TAG

    @operation(
        "acknowledgeAlert",
        "Acknowledge an alert",
        permission=ALERTS_MANAGE,
        request=Acknowledgment,
        response=AlertAnswer,
        problems=[HTTPStatus.CONFLICT],
        example=EXAMPLE | ACKNOWLEDGED,
        request_example={"note": "Forgot the password."},
    )
    def post(self, alert: UUID) -> Alert:
        """What happens from now on begins another alert."""
        found = self.find(Alert.objects.all(), pk=alert)
        return acknowledge_alert(alert=found, actor=self.actor, note=self.data.get("note", ""))
