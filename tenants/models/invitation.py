"""An invitation by e-mail."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from audit.redaction import secret

from .base import TenantModel, same_organization


class Invitation(TenantModel):
    """Invites one e-mail address; only the digest of the link's token is stored."""

    email = models.EmailField("e-mail address", max_length=254)
    role = same_organization("tenants.Role", on_delete=models.PROTECT, related_name="+")
    project = same_organization(
        "tenants.Project",
        null=True,
        blank=True,
        related_name="+",
        help_text="Optionally, a project in which the person gets another role.",
    )
    project_role = same_organization(
        "tenants.Role",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    token_digest = secret(models.BinaryField(max_length=32, unique=True, editable=False))
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        related_name="+",
        editable=False,
    )
    created_at = models.DateTimeField("invited", auto_now_add=True)
    sent_at = models.DateTimeField("last sent", default=timezone.now, editable=False)
    expires_at = models.DateTimeField(editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    audit_exclude = frozenset({"created_at"})
    # It may offer a role in a project, but who may handle it is asked of the organization.
    lives_in_project = False

    class Meta(TenantModel.Meta):
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                "organization",
                models.functions.Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="tenants_invitation_open",
                violation_error_message="This address already has an open invitation.",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["organization", "-created_at", "-id"],
                name="tenants_invitation_newest",
            ),
            # The landing page asks for a person's invitations in all organizations.
            models.Index(
                models.functions.Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="tenants_invitation_of_email",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_open(self) -> bool:
        """Return whether it can still be accepted."""
        return self.state == "pending"

    @property
    def state(self) -> str:
        """Return "accepted", "revoked", "expired" or "pending"."""
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "pending"
