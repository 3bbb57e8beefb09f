"""Changes that carry no event, by API."""

from typing import Any

from rest_framework import serializers

from api.operation import Filter, listing
from api.serializers import Answer
from api.views import OrganizationView
from audit.models import UnattributedChange, Why
from audit.querysets import READ

from .events import TAG


class UnattributedChangeAnswer(Answer):
    """A write that no event names, as the database noted it."""

    id = serializers.UUIDField()
    time = serializers.DateTimeField()
    organization_id = serializers.UUIDField()
    why = serializers.ChoiceField(
        choices=Why.values,
        help_text="`no_event`: its transaction wrote none; `not_named`: it wrote others.",
    )
    table_name = serializers.CharField()
    operation = serializers.CharField(help_text="INSERT, UPDATE, DELETE or TRUNCATE.")
    rows = serializers.IntegerField(allow_null=True, help_text="How many rows no event names.")
    keys = serializers.ListField(child=serializers.CharField(), help_text="The ids of the first of them.")
    database_user = serializers.CharField(help_text="Who was connected to the database.")
    database_role = serializers.CharField(help_text="The role they acted as.")
    application_name = serializers.CharField()
    client_address = serializers.CharField(allow_null=True, help_text="None: a socket of the database's own host.")
    transaction_id = serializers.IntegerField()
    event_id = serializers.UUIDField(allow_null=True, help_text="The event that tells of it, from within a minute on.")


EXAMPLE = {
    "id": "2f708192-a3b4-4c5d-8e6f-708192a3b4c5",
    "time": "2026-01-05T09:00:00Z",
    "organization_id": "0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11",
    "why": "no_event",
    "table_name": "tenants_membership",
    "operation": "UPDATE",
    "rows": 1,
    "keys": ["7c8d9e0f-2b3c-4d5e-8f60-718293a4b5c6"],
    "database_user": "postgres",
    "database_role": "postgres",
    "application_name": "psql",
    "client_address": None,
    "transaction_id": 48213,
    "event_id": "6f708192-a3b4-4c5d-8e6f-708192a3b4c5",
}


class UnattributedChanges(OrganizationView):
    """What the database noted in an organization and no event names."""

    tag = TAG

    @listing(
        "listUnattributedChanges",
        "List changes that carry no audit event",
        permission=READ,
        response=UnattributedChangeAnswer,
        filters={
            "since": Filter(serializers.DateTimeField(help_text="From this time on."), "time__gte"),
            "until": Filter(serializers.DateTimeField(help_text="Before this time."), "time__lt"),
            "table": Filter(serializers.CharField(max_length=200, help_text="Of this table."), "table_name"),
            "database_user": Filter(serializers.CharField(max_length=63, help_text="By this login."), "database_user"),
        },
        ordering={"time": "time"},
        default_ordering="-time",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Writes that went around Gatehouse, or that it forgot to record. An empty list is what should be here."""
        return UnattributedChange.objects.visible_to(self.actor)
