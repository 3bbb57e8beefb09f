"""What an identity provider asked lately, and what it was told: for whoever looks for the reason of a failure."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel, same_organization


class ScimRequest(TenantModel):
    """One request of a connection. Kept for a while; the audit log holds what changed."""

    audit_exempt = True

    connection = same_organization("accounts.ScimConnection", related_name="+", editable=False)
    time = models.DateTimeField(auto_now_add=True)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=400)
    status = models.PositiveSmallIntegerField()
    scim_type = models.CharField(max_length=20, blank=True)
    detail = models.TextField(blank=True)
    # The request's body, cut, without secrets; empty for one that changes nothing.
    body = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()
    request_id = models.CharField(max_length=64)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)

    class Meta(TenantModel.Meta):
        verbose_name = "SCIM request"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["organization", "-time", "-id"], name="accounts_scimrequest_newest"),
            models.Index(fields=["time"], name="accounts_scimrequest_age"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.status}"

    @property
    def failed(self) -> bool:
        """Return whether the identity provider was told that it did not work."""
        return self.status >= 400  # noqa: PLR2004 - HTTP's own border
