"""Settings of the whole installation."""

from typing import Any

from django.db import models

from tenants.permissions import BUILTIN_ROLES, BuiltinRole


class WhoMayCreate(models.TextChoices):
    """Who may create organizations."""

    ANYONE = "anyone", "Anyone who has signed up"
    OPERATORS = "operators", "Operators only"


class InstallationSettings(models.Model):
    """One row: what operators decide for everybody."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    signup_enabled = models.BooleanField(
        "sign-up is open",
        default=True,
        help_text="Off: only invited people can make an account.",
    )
    organization_creation = models.CharField(
        "who may create organizations",
        max_length=10,
        choices=WhoMayCreate.choices,
        default=WhoMayCreate.ANYONE,
    )
    default_organization_id = models.UUIDField(
        "default organization",
        null=True,
        blank=True,
        help_text="New users without an invitation join it.",
    )
    default_project_id = models.UUIDField(
        "default project",
        null=True,
        blank=True,
        help_text="… and get the default role in this project of it.",
    )
    default_role = models.CharField(
        "default role",
        max_length=12,
        choices=[(key.value, role.name) for key, role in BUILTIN_ROLES.items() if key is not BuiltinRole.OWNER],
        default=BuiltinRole.VIEWER.value,
    )
    organization_naming_pattern = models.CharField(
        max_length=200,
        blank=True,
        help_text="A regular expression that new organization identifiers must match, such as ^client-[a-z0-9-]+$.",
    )
    organization_naming_hint = models.CharField(
        max_length=200,
        blank=True,
        help_text="What people read beside the field, such as: client-acme-corp.",
    )
    deletion_grace_days = models.PositiveSmallIntegerField(
        "grace period before deletion, in days",
        default=7,
        help_text="How long a deletion can be called off.",
    )
    invitations_per_day = models.PositiveIntegerField(
        "invitations per day",
        default=200,
        help_text="How many mails one organization may send in 24 hours, repeated ones included.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "installation settings"
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="tenants_installation_single")]

    def __str__(self) -> str:
        return "Installation settings"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as the one row."""
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def load(cls) -> "InstallationSettings":
        """Return the one row, or its defaults when an operator never changed anything."""
        return cls.objects.filter(pk=1).first() or cls()
