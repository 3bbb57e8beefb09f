"""What was used, hour by hour."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel


class UsageHour(TenantModel):
    """Figures of one hour for one project, key, actor, model and outcome; written in batches, never per request."""

    audit_exempt = True  # figures of what happened, which no actor changes

    hour = models.DateTimeField(editable=False)
    project_id = models.UUIDField(null=True, editable=False)
    api_key_id = models.UUIDField(null=True, editable=False)
    actor_type = models.CharField(max_length=10, blank=True, editable=False)
    actor_id = models.UUIDField(null=True, editable=False)
    credential_id = models.UUIDField(null=True, editable=False)
    provider = models.CharField(max_length=20, blank=True, editable=False)
    model = models.CharField(max_length=120, blank=True, editable=False)
    # "allowed", or the reason code of the denial.
    outcome = models.CharField(max_length=40, editable=False)
    requests = models.PositiveBigIntegerField(default=0, editable=False)
    input_tokens = models.PositiveBigIntegerField(default=0, editable=False)
    cached_tokens = models.PositiveBigIntegerField(default=0, editable=False)
    output_tokens = models.PositiveBigIntegerField(default=0, editable=False)
    # Millionths of a US dollar, by the price of that moment.
    cost = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = "usage"
        verbose_name_plural = "usage"
        ordering: ClassVar[list[str]] = ["-hour", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=[
                    *("organization", "hour", "project_id", "api_key_id", "actor_type", "actor_id"),
                    *("credential_id", "provider", "model", "outcome"),
                ],
                name="gateway_usagehour_one",
                nulls_distinct=False,
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-hour", "-id"], name="gateway_usagehour_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.model}"
