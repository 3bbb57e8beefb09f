"""How much of the LLM an organization, and whatever is in it, may use."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel


class LimitSubject(models.TextChoices):
    """Whose use is counted."""

    ORGANIZATION = "organization", "The organization"
    PROJECT = "project", "A project"
    API_KEY = "api_key", "An API key"
    ACTOR = "actor", "A user or service account"
    MODEL = "model", "A model"


class LimitMetric(models.TextChoices):
    """What is counted."""

    REQUESTS = "requests", "Requests"
    TOKENS = "tokens", "Tokens"
    COST = "cost", "Cost (US dollars)"
    CONCURRENCY = "concurrency", "Requests at the same time"


class LimitWindow(models.TextChoices):
    """For how long; a day and a month are UTC's."""

    MINUTE = "minute", "A minute"
    DAY = "day", "A day"
    MONTH = "month", "A month"
    NONE = "none", "At any moment"


class UsageLimit(TenantModel):
    """One limit. Every limit that fits a request has to have room for it."""

    subject_kind = models.CharField("whose", max_length=12, choices=LimitSubject.choices)
    # The id of a project, key, user or service account, or a model's name; empty for the organization, and for “each”.
    subject = models.CharField(max_length=120, blank=True)
    metric = models.CharField("what", max_length=12, choices=LimitMetric.choices)
    window = models.CharField("per", max_length=8, choices=LimitWindow.choices)
    # Requests or tokens; for a cost millionths of a US dollar.
    amount = models.PositiveBigIntegerField()
    is_enabled = models.BooleanField("in force", default=True)
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "created_by"})

    class Meta(TenantModel.Meta):
        verbose_name = "usage limit"
        ordering: ClassVar[list[str]] = ["subject_kind", "subject", "metric", "window"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "subject_kind", "subject", "metric", "window"],
                name="gateway_usagelimit_one",
                violation_error_message="There is already such a limit. Change that one.",
            ),
            models.CheckConstraint(
                name="gateway_usagelimit_window",
                condition=models.Q(metric=LimitMetric.CONCURRENCY, window=LimitWindow.NONE)
                | (~models.Q(metric=LimitMetric.CONCURRENCY) & ~models.Q(window=LimitWindow.NONE)),
                violation_error_message="Requests at the same time have no window; everything else has one.",
            ),
        ]

    def __str__(self) -> str:
        whose = self.get_subject_kind_display()
        if self.counts_each:
            whose = f"each {whose.partition(' ')[2]}"
        what = self.get_metric_display()
        if self.window != LimitWindow.NONE:
            what += f" per {self.window}"
        return f"{what}: {whose[0].lower()}{whose[1:]}"

    @property
    def counts_each(self) -> bool:
        """Return whether every subject of its kind is counted on its own."""
        return not self.subject and self.subject_kind != LimitSubject.ORGANIZATION
