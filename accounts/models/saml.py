"""SAML 2.0: our keys, the messages that were used up, and which certificates people were warned of."""

from typing import ClassVar

from django.db import models

from tenants.models.base import TenantModel, same_organization
from vault.fields import EncryptedField


class SamlKey(TenantModel):
    """A key pair of ours for one connection: one signs, and while keys change a second one decrypts too."""

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    certificate = models.TextField(editable=False)
    private_key = EncryptedField()
    is_signing = models.BooleanField("signs", default=False, editable=False)
    expires_at = models.DateTimeField("certificate valid until", editable=False)
    created_at = models.DateTimeField("created", auto_now_add=True)

    audit_exclude = frozenset({"created_at", "certificate"})

    class Meta(TenantModel.Meta):
        verbose_name = "SAML key"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "connection"],
                condition=models.Q(is_signing=True),
                name="accounts_samlkey_one_signs",
            ),
        ]

    def __str__(self) -> str:
        return f"SAML key of {self.connection}"


class SamlMessage(TenantModel):
    """An assertion or logout request that was accepted: none counts twice."""

    audit_exempt = True

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    digest = models.CharField(max_length=64, editable=False)
    expires_at = models.DateTimeField(editable=False)

    class Meta(TenantModel.Meta):
        verbose_name = "SAML message"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["organization", "connection", "digest"], name="accounts_samlmessage_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["expires_at"], name="accounts_samlmessage_age")]

    def __str__(self) -> str:
        return f"A message of {self.connection_id}"


class SamlCertificateWarning(TenantModel):
    """People were told that a certificate expires in so many days."""

    audit_exempt = True

    connection = same_organization("accounts.SsoConnection", related_name="+", editable=False)
    fingerprint = models.CharField(max_length=64, editable=False)
    days = models.PositiveSmallIntegerField(editable=False)
    told_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantModel.Meta):
        verbose_name = "certificate warning"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["organization", "connection", "fingerprint", "days"], name="accounts_samlwarning_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.fingerprint}: {self.days} days"
