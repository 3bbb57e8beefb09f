"""Provider credentials of an organization and its projects."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.problems import not_found
from api.views import OrganizationView
from gateway.models import CredentialKind, Provider, ProviderCredential
from gateway.selectors import Resolution, resolution_of
from gateway.services.credential_tests import Outcome, test_provider_credential
from gateway.services.provider_credentials import (
    create_provider_credential,
    delete_provider_credential,
    put_back_former_secret,
    rotate_provider_credential,
    set_provider_credential_enabled,
    update_provider_credential,
)
from isolation.exceptions import DomainError
from tenants.api.serializers import project_filter
from tenants.models import Project
from tenants.permissions import P

from .credential_serializers import (
    CredentialAnswer,
    CredentialChange,
    CredentialResolutionAnswer,
    CredentialRotation,
    CredentialTestAnswer,
    NewCredential,
)

TAG = "Provider credentials"
_OWN_FIELDS = frozenset(
    {"name", "provider", "kind", "project", "secret", "base_url", "allowed_models", "priority", "overlap"}
)

EXAMPLE: dict[str, Any] = {
    "id": "5f1c2b3a-4d5e-4f60-8a7b-9c0d1e2f3a4b",
    "name": "Production",
    "project": {"id": "d2b7a8de-61c7-4c1c-8f0e-0d3f9a4b7c55", "slug": "chatbot", "name": "Chatbot"},
    "provider": "openai",
    "kind": "api_key",
    "base_url": "",
    "options": {},
    "last_four": "x7Qp",
    "allowed_models": ["gpt-4*"],
    "priority": 100,
    "is_enabled": True,
    "former_secret_until": None,
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
    "rotated_at": None,
    "last_used_at": "2026-03-04T10:22:31Z",
    "last_used_by": "Ingestion",
    "tested_at": "2026-03-01T08:01:00Z",
    "test_outcome": "The provider accepted it.",
}
_NEW = {"name": "Production", "provider": "openai", "secret": "sk-proj-<the provider's key>"}
_STEP = {
    "credential": {name: EXAMPLE[name] for name in ("id", "name", "project", "provider", "priority")},
    "use": "first",
    "reason": "Requests to OpenAI leave with it. The project's own come first.",
}
_FILTERS = {
    "provider": Filter(serializers.ChoiceField(choices=Provider.values, help_text="Of this provider."), "provider"),
    "kind": Filter(serializers.ChoiceField(choices=CredentialKind.values, help_text="Of this kind."), "kind"),
    "project": project_filter("Of this project."),
    "is_enabled": Filter(serializers.BooleanField(help_text="In use, or switched off."), "is_enabled"),
}
_ASKED = {
    "project": Filter(project_filter("The project whose request it is.").field, required=True),
    "model": Filter(serializers.CharField(max_length=120, help_text="The model; left out: any.")),
    "provider": Filter(serializers.ChoiceField(choices=Provider.values, help_text="The provider; left out: any.")),
}


@contextmanager
def naming_options() -> Iterator[None]:
    """Let errors of options say where in the body these stand."""
    try:
        yield
    except DomainError as error:
        if not error.field or error.field in _OWN_FIELDS:
            raise
        name = error.field.replace("~", "~0").replace("/", "~1")
        raise DomainError(error.message, field=f"options/{name}", code=error.code) from error


class CredentialView(OrganizationView):
    """An endpoint of provider credentials: those of the projects in which the actor holds a permission."""

    tag = TAG

    def credentials(self, permission: str = P.PROVIDER_CREDENTIALS_READ) -> Any:
        """Return the credentials that are seen, and those that the permission alone lets be changed."""
        rows = ProviderCredential.objects.visible_to(self.actor)
        if permission != P.PROVIDER_CREDENTIALS_READ:
            rows |= ProviderCredential.objects.visible_to(self.actor, permission)
        return rows.select_related("project")

    def managed(self, pk: UUID) -> ProviderCredential:
        """Return a credential that is to be changed, locked."""
        found: ProviderCredential = self.locked(self.credentials(P.PROVIDER_CREDENTIALS_MANAGE), pk=pk)
        return found

    def again(self, credential: ProviderCredential) -> ProviderCredential:
        """Return a credential as it is stored now."""
        found: ProviderCredential = ProviderCredential.objects.select_related("project").get(pk=credential.pk)
        return found


class ProviderCredentials(CredentialView):
    """The credentials of an organization."""

    @listing(
        "listProviderCredentials",
        "List provider credentials",
        permission=P.PROVIDER_CREDENTIALS_READ,
        anywhere=True,
        response=CredentialAnswer,
        filters=_FILTERS,
        ordering={"name": "name", "priority": "priority", "created_at": "created_at"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Those of the projects in which you may see them; with the permission in the organization all of them."""
        return self.credentials()

    @operation(
        "createProviderCredential",
        "Add a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        request=NewCredential,
        response=CredentialAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example=_NEW | {"project": "chatbot", "allowed_models": ["gpt-4*"]},
    )
    def post(self) -> ProviderCredential:
        """Requests use it at once. Its secret is never returned, by no endpoint."""
        with naming_options():
            made = create_provider_credential(organization=self.organization, actor=self.actor, **self.data)
        return self.again(made)


class OneProviderCredential(CredentialView):
    """One credential."""

    @operation(
        "getProviderCredential",
        "Return a provider credential",
        permission=P.PROVIDER_CREDENTIALS_READ,
        anywhere=True,
        response=CredentialAnswer,
        example=EXAMPLE,
    )
    def get(self, provider_credential: UUID) -> ProviderCredential:
        """Without its secret, which nobody can read again. The ETag leaves uses and tests out."""
        found: ProviderCredential = self.find(self.credentials(), pk=provider_credential)
        return found

    @operation(
        "updateProviderCredential",
        "Change a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        request=CredentialChange,
        response=CredentialAnswer,
        example=EXAMPLE,
        request_example={"allowed_models": ["gpt-4*"], "priority": 50},
    )
    def patch(self, provider_credential: UUID) -> ProviderCredential:
        """What is left out stays. With another address the secret has to be given again.

        Its project, provider and kind never change: add another credential.
        """
        stored = self.managed(provider_credential)
        with naming_options():
            return self.again(update_provider_credential(credential=stored, actor=self.actor, **self.data))

    @operation(
        "deleteProviderCredential",
        "Delete a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        status=HTTPStatus.NO_CONTENT,
    )
    def delete(self, provider_credential: UUID) -> None:
        """Its secrets are deleted for good. At the provider it stays valid until it is ended there."""
        delete_provider_credential(credential=self.managed(provider_credential), actor=self.actor)


class ProviderCredentialRotation(CredentialView):
    """A new secret for a credential."""

    @operation(
        "rotateProviderCredential",
        "Rotate a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        request=CredentialRotation,
        response=CredentialAnswer,
        example=EXAMPLE | {"former_secret_until": "2026-03-05T08:00:00Z", "rotated_at": "2026-03-04T08:00:00Z"},
        request_example={"secret": "sk-proj-<the provider's new key>", "overlap_seconds": 86_400},
    )
    def post(self, provider_credential: UUID) -> ProviderCredential:
        """Requests use the new secret at once. The former one is kept for the overlap, so that it can be put back."""
        rotated = rotate_provider_credential(
            credential=self.managed(provider_credential),
            secret=self.data["secret"],
            overlap=timedelta(seconds=self.data.get("overlap_seconds", 0)),
            actor=self.actor,
        )
        return self.again(rotated)


class ProviderCredentialPuttingBack(CredentialView):
    """The way back from a rotation."""

    @operation(
        "putBackProviderCredential",
        "Put the former secret of a provider credential back",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        response=CredentialAnswer,
        example=EXAMPLE | {"former_secret_until": "2026-03-05T08:00:00Z"},
    )
    def post(self, provider_credential: UUID) -> ProviderCredential:
        """Requests use it again at once; the one that it replaces is kept in its place, for as long."""
        return self.again(put_back_former_secret(credential=self.managed(provider_credential), actor=self.actor))


class ProviderCredentialEnabling(CredentialView):
    """The switch of a credential, on."""

    @operation(
        "enableProviderCredential",
        "Let requests use a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        response=CredentialAnswer,
        example=EXAMPLE,
    )
    def post(self, provider_credential: UUID) -> ProviderCredential:
        """Within a second, in every gateway."""
        stored = self.managed(provider_credential)
        return self.again(set_provider_credential_enabled(credential=stored, enabled=True, actor=self.actor))


class ProviderCredentialDisabling(CredentialView):
    """The switch of a credential, off."""

    @operation(
        "disableProviderCredential",
        "Let no request use a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        response=CredentialAnswer,
        example=EXAMPLE | {"is_enabled": False},
    )
    def post(self, provider_credential: UUID) -> ProviderCredential:
        """Within a second, in every gateway; requests fall back to the next one."""
        stored = self.managed(provider_credential)
        return self.again(set_provider_credential_enabled(credential=stored, enabled=False, actor=self.actor))


class ProviderCredentialTest(CredentialView):
    """A test with a real request."""

    @operation(
        "testProviderCredential",
        "Test a provider credential",
        permission=P.PROVIDER_CREDENTIALS_MANAGE,
        anywhere=True,
        response=CredentialTestAnswer,
        example={
            "accepted": False,
            "text": "api.openai.com was asked. It refused the credential (status 401). Check the secret.",
        },
    )
    def post(self, provider_credential: UUID) -> Outcome:
        """The provider is asked for its list of models, which costs nothing; this answer comes with the provider's."""
        found = self.find(self.credentials(P.PROVIDER_CREDENTIALS_MANAGE), pk=provider_credential)
        return test_provider_credential(credential=found, actor=self.actor)


class ProviderCredentialResolution(CredentialView):
    """Which credential is used."""

    @operation(
        "resolveProviderCredential",
        "Return which credentials a request is tried with",
        permission=P.PROVIDER_CREDENTIALS_READ,
        anywhere=True,
        response=CredentialResolutionAnswer,
        filters=_ASKED,
        example={"steps": [_STEP], "hidden": 0},
    )
    def get(self) -> Resolution:
        """In order: the project's own before the organization's, then by priority; and why others are skipped.

        404 for a project in which you may not see credentials.
        """
        named = self.query["project"]
        lookup = {"pk": named} if isinstance(named, UUID) else {"slug": named}
        project = Project.objects.visible_to(self.actor, P.PROVIDER_CREDENTIALS_READ).filter(**lookup).first()
        if project is None:
            raise not_found()
        return resolution_of(
            project=project,
            provider=self.query.get("provider", ""),
            model=self.query.get("model", ""),
            actor=self.actor,
        )
