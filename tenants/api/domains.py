"""Domains: claiming and proving them."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from tenants.models import Domain, DomainMethod
from tenants.permissions import P
from tenants.selectors import DOMAIN_STATES, domains_in_state
from tenants.services.domains import claim_domain, remove_domain, verify_domain

TAG = "Domains"


class RecordAnswer(Answer):
    """The DNS record that proves a domain."""

    name = serializers.CharField(source="record_name", help_text="The domain itself is looked at as well.")
    value = serializers.CharField(source="record_value", help_text="The text of a TXT record; it is no secret.")


class DomainAnswer(Answer):
    """A domain."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="In ASCII (IDNA 2008), lower case.")
    state = serializers.ChoiceField(
        choices=DOMAIN_STATES,
        help_text="A failing domain is verified: its record is missing, and it is lost unless that comes back.",
    )
    method = serializers.ChoiceField(choices=["", *DomainMethod.values], help_text="What verified it.")
    record = RecordAnswer(source="*")
    reason = serializers.CharField(help_text="What the operator said who confirmed it.")
    problem = serializers.CharField(help_text="What the last check found; empty when that was the record.")
    created_at = serializers.DateTimeField()
    verified_at = serializers.DateTimeField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    failing_since = serializers.DateTimeField(allow_null=True)


class NewDomain(Body):
    """Which domain."""

    name = serializers.CharField(max_length=1_000, help_text="Such as example.com. A subdomain is a domain of its own.")


EXAMPLE = {
    "id": "4e5f6071-8293-4a4b-9c5d-6e7f80910a1b",
    "name": "example.com",
    "state": "verified",
    "method": "dns",
    "record": {
        "name": "_gatehouse.example.com",
        "value": "gatehouse-domain=5f2b9c0d4e1a7f8396b1c2d3e4f5061728394a5b",
    },
    "reason": "",
    "problem": "",
    "created_at": "2026-01-05T09:00:00Z",
    "verified_at": "2026-01-05T09:10:00Z",
    "checked_at": "2026-01-06T04:47:00Z",
    "failing_since": None,
}
CLAIMED = EXAMPLE | {"state": "pending", "method": "", "verified_at": None, "checked_at": None}


class Domains(OrganizationView):
    """The domains of an organization."""

    tag = TAG

    @listing(
        "listDomains",
        "List the domains",
        permission=P.DOMAINS_READ,
        response=DomainAnswer,
        filters={
            "name": Filter(
                serializers.CharField(max_length=253, help_text="Exactly this one, as it is stored."), "name"
            ),
            "state": Filter(serializers.ChoiceField(choices=DOMAIN_STATES, help_text="In this state.")),
        },
        ordering={"created_at": "created_at", "name": "name"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Those that are still to be verified are listed too."""
        rows = Domain.objects.all()
        return domains_in_state(rows, self.query["state"]) if "state" in self.query else rows

    @operation(
        "createDomain",
        "Add a domain",
        permission=P.DOMAINS_MANAGE,
        request=NewDomain,
        response=DomainAnswer,
        status=HTTPStatus.CREATED,
        example=CLAIMED,
        request_example={"name": "example.com"},
    )
    def post(self) -> Domain:
        """It counts once its record was found: create that, then ask for verification."""
        return claim_domain(organization=self.organization, name=self.data["name"], actor=self.actor)


class OneDomain(OrganizationView):
    """One domain."""

    tag = TAG

    @operation("getDomain", "Return a domain", permission=P.DOMAINS_READ, response=DomainAnswer, example=EXAMPLE)
    def get(self, domain: UUID) -> Domain:
        """With the record that proves it."""
        found: Domain = self.find(Domain.objects.all(), pk=domain)
        return found

    @operation("removeDomain", "Remove a domain", permission=P.DOMAINS_MANAGE, status=204)
    def delete(self, domain: UUID) -> None:
        """Who joined because it was verified stays; from now on nobody is connected by it."""
        remove_domain(domain=self.locked(Domain.objects.all(), pk=domain), actor=self.actor)


class DomainVerification(OrganizationView):
    """Looking for a domain's record."""

    tag = TAG

    @operation(
        "verifyDomain",
        "Look for a domain's record now",
        permission=P.DOMAINS_MANAGE,
        response=DomainAnswer,
        example=EXAMPLE,
    )
    def post(self, domain: UUID) -> Domain:
        """409 `record_missing` says what was found instead, 409 `lookup_failed` why the name servers were no help."""
        return verify_domain(domain=self.find(Domain.objects.all(), pk=domain), actor=self.actor)
