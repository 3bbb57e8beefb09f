"""Retention, legal holds, erasures and receipts of an organization's log, by API."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from api.operation import listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from audit.models import ErasureRequest, LegalHold, RetirementReceipt
from audit.querysets import MANAGE_RETENTION, READ_RETENTION
from audit.retention.models import MOST_MONTHS
from audit.retention.policy import Retention, retention_of
from audit.services.erasures import cancel_erasure, preview_erasure, request_erasure
from audit.services.holds import release_hold, set_hold
from audit.services.retention import change_retention

from .checkpoints import ROOT
from .events import TAG

_MONTHS = "For how many months after the end of its month an event is kept; null: without end."


class RetentionAnswer(Answer):
    """How long events are kept."""

    months = serializers.IntegerField(allow_null=True, help_text=_MONTHS)
    chosen = serializers.BooleanField(help_text="False: it is the installation's default.")
    next_months = serializers.IntegerField(allow_null=True, help_text="What is announced, from `next_at` on.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="null: nothing is announced.")
    minimum = serializers.IntegerField(help_text="The least that the installation lets an organization choose.")


class RetentionBody(Body):
    """How long events are kept from now, or from the end of the notice on."""

    months = serializers.IntegerField(min_value=1, max_value=MOST_MONTHS, allow_null=True, help_text=_MONTHS)


class LegalHoldAnswer(Answer):
    """A legal hold."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    reason = serializers.CharField()
    actor_id = serializers.UUIDField(allow_null=True, help_text="Only what concerns this actor; null: everything.")
    subject = serializers.CharField(source="actor_label", help_text="As it was named.")
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    by_operator = serializers.BooleanField(help_text="Only operators release it then.")
    set_by = serializers.CharField()
    set_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=["in force", "released", "ended"])
    released_at = serializers.DateTimeField(allow_null=True)
    released_by = serializers.CharField()
    release_reason = serializers.CharField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="A released hold goes on for a week.")


class NewLegalHold(Body):
    """What to keep, and why."""

    name = serializers.CharField(max_length=120)
    reason = serializers.CharField(max_length=1_000)
    subject = serializers.CharField(
        max_length=320, required=False, help_text="A person's address, or an id that events show. Empty: everything."
    )
    since = serializers.DateTimeField(required=False, allow_null=True, help_text="Events from then on.")
    until = serializers.DateTimeField(required=False, allow_null=True, help_text="Events before then.")


class ReleaseBody(Body):
    """Why."""

    reason = serializers.CharField(max_length=1_000)


class ErasureAnswer(Answer):
    """An erasure. Whom it was about is forgotten once it is done: the id stays."""

    id = serializers.UUIDField()
    person_id = serializers.UUIDField()
    names = serializers.ListField(child=serializers.CharField(), help_text="Empty once it is over.")
    reason = serializers.CharField()
    by_operator = serializers.BooleanField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=["waiting", "done", "cancelled"])
    done_at = serializers.DateTimeField(allow_null=True)
    cancelled_at = serializers.DateTimeField(allow_null=True)
    events = serializers.IntegerField(help_text="Of how many events values went.")
    fields = serializers.IntegerField(help_text="How many values.")  # type: ignore[assignment] # DRF has a property of that name


class PersonBody(Body):
    """Whom it is about."""

    person = serializers.CharField(max_length=320, help_text="Their address, or the id of their login.")


class NewErasure(PersonBody):
    """Whom it is about, and why."""

    reason = serializers.CharField(max_length=1_000, help_text="Write no name and no address of the person here.")


class ErasurePreview(Answer):
    """What an erasure would take away."""

    person_id = serializers.UUIDField(source="person.id")
    names = serializers.ListField(
        child=serializers.CharField(), source="person.names", help_text="By which the log knows them."
    )
    events = serializers.IntegerField(source="plan.events")
    fields = serializers.IntegerField(source="plan.fields")  # type: ignore[assignment] # DRF has a property of that name
    hold = serializers.CharField(source="plan.hold", help_text="A legal hold that prevents it; empty: none does.")


class ReceiptAnswer(Answer):
    """A receipt of retired events."""

    id = serializers.IntegerField()
    month = serializers.DateField()
    first = serializers.IntegerField(help_text="Number of the first event that went.")
    last = serializers.IntegerField(help_text="Number of the last one.")
    events = serializers.IntegerField()
    note = serializers.CharField(help_text="The signed note; the format is in docs/audit/format.md.")
    time = serializers.DateTimeField()


RETENTION = {
    "months": 84,
    "chosen": True,
    "next_months": 24,
    "next_at": "2026-02-04T09:00:00Z",
    "minimum": 12,
}
HOLD = {
    "id": "3c4d5e6f-7081-4293-8a4b-5c6d7e8f9001",
    "name": "Case 7 O 112/26",
    "reason": "The court asks for everything of the spring.",
    "actor_id": None,
    "subject": "",
    "since": "2026-03-01T00:00:00Z",
    "until": None,
    "by_operator": False,
    "set_by": "ada@acme.example",
    "set_at": "2026-05-04T09:00:00Z",
    "state": "in force",
    "released_at": None,
    "released_by": "",
    "release_reason": "",
    "ends_at": None,
}
ERASURE = {
    "id": "4d5e6f70-8192-43a4-8b5c-6d7e8f900112",
    "person_id": "7c8d9e0f-2b3c-4d5e-8f60-718293a4b5c6",
    "names": ["grace@acme.example", "Grace Hopper"],
    "reason": "Article 17, ticket 4711",
    "by_operator": False,
    "requested_by": "ada@acme.example",
    "requested_at": "2026-05-04T09:00:00Z",
    "due_at": "2026-05-07T09:00:00Z",
    "state": "waiting",
    "done_at": None,
    "cancelled_at": None,
    "events": 0,
    "fields": 0,
}
PREVIEW = {
    "person_id": ERASURE["person_id"],
    "names": ERASURE["names"],
    "events": 112,
    "fields": 431,
    "hold": "",
}
RECEIPT = {
    "id": 3,
    "month": "2024-01-01",
    "first": 0,
    "last": 4710,
    "events": 4711,
    "note": "gatehouse-audit-receipt/v1\ngatehouse/6f1c0c8f-7d5a-4d4c-9a1b-e2f3a4b5c6d7/"
    f"0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11\nmonth 2024-01\nkept 24 months\nevents 0-4710\ncount 4711\n"
    f"checkpoint 9001 {ROOT}\ntime 2026-02-01T03:25:00Z\n…",
    "time": "2026-02-01T03:25:00Z",
}


class RetentionView(OrganizationView):
    """How long events are kept."""

    tag = TAG

    @operation(
        "getAuditRetention",
        "Return how long the audit log is kept",
        permission=READ_RETENTION,
        response=RetentionAnswer,
        example=RETENTION,
    )
    def get(self) -> Retention:
        """What counts now, and what is announced."""
        return retention_of(self.organization.pk, now=timezone.now())

    @operation(
        "changeAuditRetention",
        "Change how long the audit log is kept",
        permission=MANAGE_RETENTION,
        request=RetentionBody,
        response=RetentionAnswer,
        example=RETENTION,
        request_example={"months": 24},
    )
    def post(self) -> Retention:
        """A shorter time counts after the notice, a longer one at once; the present one calls off what is announced."""
        self.lock_organization()
        change_retention(organization_id=self.organization.pk, actor=self.actor, **self.data)
        return retention_of(self.organization.pk, now=timezone.now())


class LegalHolds(OrganizationView):
    """Legal holds."""

    tag = TAG

    @listing(
        "listLegalHolds",
        "List legal holds",
        permission=READ_RETENTION,
        response=LegalHoldAnswer,
        ordering={"set_at": "set_at"},
        default_ordering="-set_at",
        example=HOLD,
    )
    def get(self) -> Any:
        """Those in force, and those that ended."""
        return LegalHold.objects.all()

    @operation(
        "setLegalHold",
        "Set a legal hold",
        permission=MANAGE_RETENTION,
        request=NewLegalHold,
        response=LegalHoldAnswer,
        status=HTTPStatus.CREATED,
        example=HOLD,
        request_example={"name": HOLD["name"], "reason": HOLD["reason"], "since": HOLD["since"]},
    )
    def post(self) -> LegalHold:
        """What it is about is not retired and not erased, and the organization is not deleted."""
        return set_hold(organization_id=self.organization.pk, actor=self.actor, **self.data)


class OneLegalHold(OrganizationView):
    """One legal hold."""

    tag = TAG

    @operation("getLegalHold", "Return a legal hold", permission=READ_RETENTION, response=LegalHoldAnswer, example=HOLD)
    def get(self, hold: UUID) -> LegalHold:
        """What it keeps, and why."""
        found: LegalHold = self.find(LegalHold.objects.all(), pk=hold)
        return found


class LegalHoldRelease(OrganizationView):
    """The end of a hold."""

    tag = TAG

    @operation(
        "releaseLegalHold",
        "Release a legal hold",
        permission=MANAGE_RETENTION,
        request=ReleaseBody,
        response=LegalHoldAnswer,
        example=HOLD | {"state": "released"},
        request_example={"reason": "Settled"},
    )
    def post(self, hold: UUID) -> LegalHold:
        """It goes on for a week. What an operator set, operators release."""
        stored = self.locked(LegalHold.objects.all(), pk=hold)
        return release_hold(hold=stored, actor=self.actor, reason=self.data["reason"])


class Erasures(OrganizationView):
    """People who are erased from the log."""

    tag = TAG

    @listing(
        "listErasures",
        "List erasures",
        permission=READ_RETENTION,
        response=ErasureAnswer,
        ordering={"requested_at": "requested_at"},
        default_ordering="-requested_at",
        example=ERASURE,
    )
    def get(self) -> Any:
        """Those that wait, and those that are over."""
        return ErasureRequest.objects.all()

    @operation(
        "requestErasure",
        "Erase a person from the audit log",
        permission=MANAGE_RETENTION,
        request=NewErasure,
        response=ErasureAnswer,
        status=HTTPStatus.CREATED,
        example=ERASURE,
        request_example={"person": "grace@acme.example", "reason": ERASURE["reason"]},
    )
    def post(self) -> ErasureRequest:
        """Done once the notice is over, for good. An active member, and whom a legal hold concerns, is refused."""
        return request_erasure(organization_id=self.organization.pk, actor=self.actor, **self.data)


class ErasureDryRun(OrganizationView):
    """What an erasure would take away."""

    tag = TAG

    @operation(
        "previewErasure",
        "Count what an erasure would take away",
        permission=MANAGE_RETENTION,
        request=PersonBody,
        response=ErasurePreview,
        example=PREVIEW,
        request_example={"person": "grace@acme.example"},
    )
    def post(self) -> Any:
        """It changes nothing."""
        return preview_erasure(organization_id=self.organization.pk, actor=self.actor, person=self.data["person"])


class OneErasure(OrganizationView):
    """One erasure."""

    tag = TAG

    @operation("getErasure", "Return an erasure", permission=READ_RETENTION, response=ErasureAnswer, example=ERASURE)
    def get(self, erasure: UUID) -> ErasureRequest:
        """How it stands."""
        found: ErasureRequest = self.find(ErasureRequest.objects.all(), pk=erasure)
        return found

    @operation("cancelErasure", "Call an erasure off", permission=MANAGE_RETENTION, status=204)
    def delete(self, erasure: UUID) -> None:
        """Before its notice is over."""
        cancel_erasure(request=self.locked(ErasureRequest.objects.all(), pk=erasure), actor=self.actor)


class Receipts(OrganizationView):
    """Receipts of what was retired."""

    tag = TAG

    @listing(
        "listRetirementReceipts",
        "List receipts of retired events",
        permission=READ_RETENTION,
        response=ReceiptAnswer,
        ordering={"id": "id"},
        default_ordering="-id",
        example=RECEIPT,
    )
    def get(self) -> Any:
        """Signed notes: keep them with the checkpoints that you keep."""
        return RetirementReceipt.objects.all()
