"""A domain name that an organization says is its own."""

from typing import ClassVar

import idna
from django.db import models

from .base import TenantModel

RECORD_HOST = "_gatehouse"
RECORD_KEY = "gatehouse-domain="


class DomainMethod(models.TextChoices):
    """How it was established that a domain is the organization's."""

    DNS = "dns", "TXT record"
    OPERATOR = "operator", "Confirmed by an operator"


class Domain(TenantModel):
    """A claim to a domain name. Any organization may claim any name; one of them at most has it verified.

    Its token is public: whoever asks the domain's name servers reads it. What proves something is that it stands there.
    """

    name = models.CharField(
        "domain",
        max_length=253,
        help_text="What stands behind the @ of your people's addresses, such as example.com.",
    )
    token = models.CharField(max_length=64, editable=False)
    verified_at = models.DateTimeField("verified", null=True, editable=False)
    method = models.CharField(
        "verified by", max_length=12, choices=DomainMethod.choices, blank=True, default="", editable=False
    )
    reason = models.CharField("operator's reason", max_length=400, blank=True, editable=False)
    checked_at = models.DateTimeField("last checked", null=True, editable=False)
    problem = models.TextField("what the last check found", blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    # What an organization asks of its people for the sake of a domain does not end because its record is missing.
    lost_at = models.DateTimeField("lost", null=True, editable=False)
    created_at = models.DateTimeField("added", auto_now_add=True)

    audit_exclude = frozenset({"checked_at", "problem", "created_at"})

    class Meta(TenantModel.Meta):
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                name="tenants_domain_once",
                violation_error_message="This domain is in the list already.",
            ),
            # Not per organization: this is what makes "verified" mean "theirs and nobody else's".
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(verified_at__isnull=False),
                name="tenants_domain_verified_once",
                violation_error_message="This domain is verified by another organization of this installation. It must "
                "be removed there first; if nobody there can be asked, ask an operator.",
            ),
            models.CheckConstraint(
                condition=models.Q(verified_at=None, method="", failing_since=None)
                | models.Q(verified_at__isnull=False, method=DomainMethod.DNS)
                | models.Q(verified_at__isnull=False, method=DomainMethod.OPERATOR, failing_since=None),
                name="tenants_domain_state",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def readable_name(self) -> str:
        """Return the name with the letters that people write (``bücher.de``)."""
        return idna.decode(self.name)

    @property
    def is_verified(self) -> bool:
        """Return whether the organization has it verified; one that fails its checks counts until it is lost."""
        return self.verified_at is not None

    @property
    def state(self) -> str:
        """Return "pending", "verified" or "failing"."""
        if self.verified_at is None:
            return "pending"
        return "failing" if self.failing_since else "verified"

    @property
    def is_checked(self) -> bool:
        """Return whether a TXT record decides about it; an operator's word is not checked."""
        return self.method != DomainMethod.OPERATOR

    @property
    def record_name(self) -> str:
        """Return the name of the TXT record that proves it."""
        return f"{RECORD_HOST}.{self.name}"

    @property
    def record_value(self) -> str:
        """Return the text of that record."""
        return f"{RECORD_KEY}{self.token}"
