"""Accounts elsewhere by which people sign in to this installation."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models

from accounts.social_providers import LABELS

from .sso import LONGEST_SUBJECT, LONGEST_URL


class SocialIdentity(models.Model):
    """Somebody as a social provider knows them. It belongs to a person, and to no organization.

    The subject is who they are to the issuer. An address says nothing here: it changes hands.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", editable=False)
    provider = models.CharField(max_length=12, editable=False)
    issuer = models.CharField(max_length=LONGEST_URL, editable=False)
    subject = models.CharField(max_length=LONGEST_SUBJECT, editable=False)
    # What its owner recognizes it by: an address or a user name there, when it was connected.
    account = models.CharField(max_length=254, blank=True, editable=False)
    # Whoever proves the address of the login by a mail may be somebody else than who connected this.
    before_proof = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField("connected", auto_now_add=True)
    last_used_at = models.DateTimeField("last sign-in", null=True, editable=False)

    audit_exclude = frozenset({"before_proof", "created_at", "last_used_at"})

    class Meta:
        verbose_name = "social identity"
        verbose_name_plural = "social identities"
        default_permissions = ()
        ordering: ClassVar[list[str]] = ["provider", "account", "pk"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider", "issuer", "subject"], name="accounts_socialidentity_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.account or self.subject} at {self.issuer}"

    @property
    def label(self) -> str:
        """Return the provider, as people read it."""
        return LABELS[self.provider]
