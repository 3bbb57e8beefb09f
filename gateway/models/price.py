"""What providers ask for their models: the installation's price table, each version kept."""

from typing import ClassVar

from django.db import models


class Price(models.Model):
    """A model's price from a moment on; a new price is a new row, so that what was counted stays as it was counted."""

    provider = models.CharField(max_length=20)
    model = models.CharField(max_length=120, help_text="A name or a pattern (gpt-4o*); the longest that fits counts.")
    # In millionths of a US dollar for a million tokens.
    input = models.PositiveBigIntegerField("input")
    cached_input = models.PositiveBigIntegerField("cached input")
    output = models.PositiveBigIntegerField("output")
    valid_from = models.DateTimeField("valid from")
    created_by = models.CharField(max_length=320, editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    class Meta:
        default_permissions = ()
        verbose_name = "price"
        ordering: ClassVar[list[str]] = ["provider", "model", "-valid_from"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["provider", "model", "valid_from"],
                name="gateway_price_one",
                violation_error_message="There is already a price of this model from this moment on.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}"
