"""Limits of LLM usage: list, create, change, delete, and how far they are used."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.problems import Problem
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from gateway.counting import counted
from gateway.models import LimitMetric, LimitSubject, LimitWindow, UsageLimit
from gateway.services.usage_limits import MOST_AMOUNT, create_usage_limit, delete_usage_limit, update_usage_limit
from gateway.usage_figures import visible_counts, visible_limits
from gateway.usage_names import subject_labels
from tenants.permissions import P

TAG = "LLM usage"
_AMOUNT = "Requests, tokens, or millionths of a US dollar."


class UsageLimitAnswer(Answer):
    """A limit."""

    id = serializers.UUIDField()
    subject_kind = serializers.ChoiceField(choices=LimitSubject.choices, help_text="Whose use is counted.")
    subject = serializers.CharField(
        help_text="The id of a project, key, user or service account, or a model's name or pattern; empty: each of "
        "them on its own."
    )
    metric = serializers.ChoiceField(choices=LimitMetric.choices, help_text="What is counted.")
    window = serializers.ChoiceField(choices=LimitWindow.choices, help_text="For how long; days and months are UTC's.")
    amount = serializers.IntegerField(help_text=_AMOUNT)
    is_enabled = serializers.BooleanField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewUsageLimit(Body):
    """A limit that is to be."""

    subject_kind = serializers.ChoiceField(choices=LimitSubject.choices)
    subject = serializers.CharField(max_length=120, allow_blank=True, default="")
    metric = serializers.ChoiceField(choices=LimitMetric.choices)
    window = serializers.ChoiceField(choices=LimitWindow.choices)
    amount = serializers.IntegerField(min_value=0, max_value=MOST_AMOUNT, help_text=_AMOUNT)
    is_enabled = serializers.BooleanField(default=True)


class UsageLimitChange(Change):
    """What changes."""

    amount = serializers.IntegerField(min_value=0, max_value=MOST_AMOUNT, required=False, help_text=_AMOUNT)
    is_enabled = serializers.BooleanField(required=False)


class CountedAnswer(Answer):
    """How far one subject has come in the running window."""

    subject = serializers.CharField()
    name = serializers.CharField(help_text="What people call it.")
    used = serializers.IntegerField(help_text="What processes have taken and may not have used yet is included.")
    amount = serializers.IntegerField()
    percent = serializers.IntegerField()


class LimitUsageAnswer(Answer):
    """How far a limit is used."""

    subjects = CountedAnswer(many=True, help_text="The fullest first, 50 at most.")


EXAMPLE = {
    "id": "9a0b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3",
    "subject_kind": "project",
    "subject": "7d6c5b4a-3928-4716-8504-f3e2d1c0b9a8",
    "metric": "cost",
    "window": "month",
    "amount": 250_000_000,
    "is_enabled": True,
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
}
NEW_EXAMPLE = {"subject_kind": "organization", "metric": "requests", "window": "minute", "amount": 600}


class UsageLimits(OrganizationView):
    """The limits of an organization."""

    tag = TAG

    @listing(
        "listUsageLimits",
        "List the usage limits",
        permission=P.USAGE_READ,
        anywhere=True,
        response=UsageLimitAnswer,
        filters={
            "subject_kind": Filter(
                serializers.ChoiceField(choices=LimitSubject.choices, help_text="Of this kind."), "subject_kind"
            ),
            "subject": Filter(serializers.CharField(max_length=120, help_text="Of exactly this one."), "subject"),
            "metric": Filter(serializers.ChoiceField(choices=LimitMetric.choices, help_text="Of this."), "metric"),
            "is_enabled": Filter(serializers.BooleanField(help_text="Whether it is in force."), "is_enabled"),
        },
        ordering={"created_at": "created_at"},
        default_ordering="created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Who may see the usage of some projects only finds the limits of these."""
        return visible_limits(self.actor)

    @operation(
        "createUsageLimit",
        "Create a usage limit",
        permission=P.USAGE_LIMITS_MANAGE,
        request=NewUsageLimit,
        response=UsageLimitAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example=NEW_EXAMPLE,
    )
    def post(self) -> UsageLimit:
        """It counts within a second; a day or month with what was used of it already."""
        return create_usage_limit(organization=self.organization, actor=self.actor, **self.data)


class OneUsageLimit(OrganizationView):
    """One limit."""

    tag = TAG

    @operation(
        "getUsageLimit",
        "Return a usage limit",
        permission=P.USAGE_READ,
        anywhere=True,
        response=UsageLimitAnswer,
        example=EXAMPLE,
    )
    def get(self, usage_limit: UUID) -> UsageLimit:
        """How far it is used says `…/usage`."""
        found: UsageLimit = self.find(visible_limits(self.actor), pk=usage_limit)
        return found

    @operation(
        "updateUsageLimit",
        "Change a usage limit",
        permission=P.USAGE_LIMITS_MANAGE,
        request=UsageLimitChange,
        response=UsageLimitAnswer,
        example=EXAMPLE | {"is_enabled": False},
        request_example={"is_enabled": False},
    )
    def patch(self, usage_limit: UUID) -> UsageLimit:
        """Whose use it counts never changes: create another one for that. What was counted stays counted."""
        stored = self.locked(UsageLimit.objects.all(), pk=usage_limit)
        return update_usage_limit(limit=stored, actor=self.actor, **self.data)

    @operation("deleteUsageLimit", "Delete a usage limit", permission=P.USAGE_LIMITS_MANAGE, status=204)
    def delete(self, usage_limit: UUID) -> None:
        """It ends within a second. To keep it for later, set `is_enabled` to false instead."""
        delete_usage_limit(limit=self.locked(UsageLimit.objects.all(), pk=usage_limit), actor=self.actor)


class UsageOfLimit(OrganizationView):
    """How far one limit is used."""

    tag = TAG

    @operation(
        "getUsageLimitUsage",
        "Return how far a usage limit is used",
        permission=P.USAGE_READ,
        anywhere=True,
        response=LimitUsageAnswer,
        problems=[HTTPStatus.SERVICE_UNAVAILABLE],
        example={
            "subjects": [
                {
                    "subject": EXAMPLE["subject"],
                    "name": "Chatbot",
                    "used": 201_340_000,
                    "amount": 250_000_000,
                    "percent": 80,
                }
            ]
        },
    )
    def get(self, usage_limit: UUID) -> dict[str, Any]:
        """What the shared counters say of the running window; 503 while they do not answer."""
        limit = self.find(visible_limits(self.actor), pk=usage_limit)
        found = counted(self.organization.pk, [limit])
        if found is None:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "counters_unavailable",
                "The counters do not answer at this moment. Try again in a second.",
            )
        rows = visible_counts(self.actor, [limit], found)[limit.pk]
        labels = subject_labels((limit.subject_kind, each.subject) for each in rows)
        subjects = [
            {
                "subject": each.subject,
                "name": labels.get((limit.subject_kind, each.subject), each.subject),
                "used": each.used,
                "amount": each.amount,
                "percent": each.percent,
            }
            for each in rows
        ]
        return {"subjects": subjects}
