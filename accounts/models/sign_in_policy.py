"""How people of an organization sign in: what it asks of a session before it opens."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from tenants.models.base import TenantModel, same_organization

MOST_SESSION_HOURS = 24 * 30
MOST_IDLE_MINUTES = 24 * 60
MOST_SESSIONS = 100


class SsoRequired(models.TextChoices):
    """Who has to come through the organization's identity provider."""

    NOBODY = "nobody", "Nobody: passwords work as well"
    DOMAINS = "domains", "Members with an address in a verified domain"
    EVERYBODY = "everybody", "Every member"


class SsoAsSecondFactor(models.TextChoices):
    """Whether coming through the identity provider counts as two steps."""

    ALWAYS = "always", "Always: the identity provider takes care of it"
    WHEN_SAID = "when_said", "Only when the identity provider says so (amr, acr, AuthnContext)"
    NEVER = "never", "Never: the second step is done here"


class SignInPolicy(TenantModel):
    """What an organization asks of the sessions that enter it; without a row it asks nothing.

    Each rule is asked at each request (`accounts.entry`), so that a change counts at once.
    """

    sso_required = models.CharField(
        "single sign-on required for", max_length=12, choices=SsoRequired.choices, default=SsoRequired.NOBODY
    )
    break_glass = same_organization(
        "tenants.Membership",
        verbose_name="break-glass owner",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The one owner who still comes in by password and second step when the identity provider fails. The "
        "other owners hear of it each time.",
    )
    second_factor_required = models.BooleanField("two-step sign-in required", default=False)
    sso_as_second_factor = models.CharField(
        "single sign-on counts as two steps",
        max_length=12,
        choices=SsoAsSecondFactor.choices,
        default=SsoAsSecondFactor.ALWAYS,
    )
    session_hours = models.PositiveSmallIntegerField(
        "longest session, in hours",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SESSION_HOURS)],
        help_text="After that people sign in again. Empty: as long as this installation lets a session live.",
    )
    idle_minutes = models.PositiveSmallIntegerField(
        "longest pause, in minutes",
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(MOST_IDLE_MINUTES)],
        help_text="After a longer pause people sign in again. Empty: a pause ends nothing.",
    )
    concurrent_sessions = models.PositiveSmallIntegerField(
        "sessions at a time",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SESSIONS)],
        help_text="A sign-in beyond it ends the oldest session of the same person. Empty: any number.",
    )
    allowed_networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="From where people work here: an IP address or network (CIDR) a line. Empty: from everywhere.",
    )

    class Meta(TenantModel.Meta):
        verbose_name = "sign-in policy"
        verbose_name_plural = "sign-in policies"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization"], name="accounts_signinpolicy_once"),
        ]

    def __str__(self) -> str:
        return "Sign-in policy"

    @property
    def requires_sso(self) -> bool:
        """Return whether anybody has to come through the identity provider."""
        return self.sso_required != SsoRequired.NOBODY

    @classmethod
    def of(cls, organization_id: UUID) -> "SignInPolicy":
        """Return an organization's policy; one that asks nothing when it has none. The scope must be open."""
        rows = cls.objects.select_related("organization", "break_glass__user", "break_glass__role")
        return rows.filter(organization=organization_id).first() or cls(organization_id=organization_id)


class SignInException(TenantModel):
    """A member who may go on without single sign-on where it is required, such as a login that programs share."""

    membership = same_organization(
        "tenants.Membership",
        verbose_name="member",
        related_name="+",
        help_text="Such as a login that programs share. Give programs service accounts where you can.",
    )
    reason = models.CharField(max_length=300, help_text="Others read it in this list and in the audit log.")
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("since", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "exception to single sign-on"
        verbose_name_plural = "exceptions to single sign-on"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "membership"],
                name="accounts_signinexception_once",
                violation_error_message="This member is an exception already.",
            ),
        ]

    def __str__(self) -> str:
        return str(self.membership)
