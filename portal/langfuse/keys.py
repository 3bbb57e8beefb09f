"""API keys, in Langfuse's shape."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.utils import timezone

from accounts.key_format import KeyKind
from accounts.key_record import KeyRecord
from accounts.models import ApiKey
from accounts.services.api_keys import create_api_key, revoke_api_key
from api.operation import operation
from isolation.exceptions import DomainError
from tenants.models import Project
from tenants.permissions import DATA_PLANE, P

from .base import LangfuseView, as_uuid, instant, refused

_LONGEST_NAME = 120
_PREFIXES = {"publicKey": "gatepk_prj_", "secretKey": "gatesk_prj_"}

Answer = tuple[int, dict[str, Any]]


class ProjectKeys(LangfuseView):
    """The keys of a project."""

    @operation("langfuseListProjectKeys", "List a project's keys", permission=P.API_KEYS_READ, anywhere=True)
    def get(self, project: str) -> Answer:
        """Those that are not revoked."""
        return HTTPStatus.OK, _listed(ApiKey.objects.filter(project=self.project(project, P.API_KEYS_READ)))

    @operation("langfuseCreateProjectKey", "Create a key of a project", permission=P.API_KEYS_MANAGE, anywhere=True)
    def post(self, project: str) -> Answer:
        """The secret is in this answer and in no other."""
        place = self.project(project, P.API_KEYS_MANAGE)
        note = self._text("note")
        public_id, secret = self._pair()
        own = self.key()
        try:
            issued = create_api_key(
                organization=self.organization,
                kind=KeyKind.PROJECT,
                name=" ".join(note.split())[:_LONGEST_NAME] or "Unnamed",
                scopes=self._scopes(place),
                project=place,
                expires_at=self._latest_end(own),
                allowed_networks=own.allowed_networks,
                note=note,
                public_id=public_id or None,
                secret=secret or None,
                actor=self.actor,
            )
        except DomainError as error:
            if error.code == "duplicate":
                text = "API key with the provided publicKey or secretKey already exists"
                raise refused(HTTPStatus.CONFLICT, text) from error
            raise
        key = issued.key
        return HTTPStatus.CREATED, {
            "id": str(key.pk),
            "createdAt": instant(key.created_at),
            "note": key.note or None,
            "publicKey": key.public_id,
            "secretKey": issued.secret,
            "displaySecretKey": _displayed(key),
        }

    def _latest_end(self, own: KeyRecord) -> datetime | None:
        """Return when a new key ends: as late as the organization and the key that makes it allow, None for never."""
        max_days = self.organization.api_key_max_days
        latest = None if max_days is None else timezone.now() + timedelta(days=max_days)
        return min((end for end in (latest, own.expires_at) if end is not None), default=None)

    def _scopes(self, place: Project) -> list[str]:
        """Return what Langfuse's clients expect: all of the project's data, as far as the key that asks may."""
        scopes = [name.value for name in DATA_PLANE if self.actor.can(name, place)]
        if not scopes:
            raise refused(
                HTTPStatus.FORBIDDEN,
                "This API key has no scope of a project's data, such as traces:write, so that it can give none.",
            )
        return [*scopes, P.PROJECTS_READ.value] if self.actor.can(P.PROJECTS_READ, place) else scopes

    def _pair(self) -> tuple[str, str]:
        public_id, secret = self._text("publicKey"), self._text("secretKey")
        if bool(public_id) != bool(secret):
            text = "Both publicKey and secretKey must be provided together when specifying predefined keys"
            raise refused(HTTPStatus.BAD_REQUEST, text)
        for name, value in (("publicKey", public_id), ("secretKey", secret)):
            if value and not value.startswith(_PREFIXES[name]):
                raise refused(HTTPStatus.BAD_REQUEST, f"{name} must start with '{_PREFIXES[name]}'")
        return public_id, secret

    def _text(self, name: str) -> str:
        value = self.data.get(name, "")
        if not isinstance(value, str):
            details = [{"path": [name], "message": "Expected string"}]
            raise refused(HTTPStatus.BAD_REQUEST, "Invalid request body", details)
        return value


class OneProjectKey(LangfuseView):
    """One key of a project."""

    @operation("langfuseDeleteProjectKey", "Delete a key of a project", permission=P.API_KEYS_MANAGE, anywhere=True)
    def delete(self, project: str, key: str) -> Answer:
        """Revoke it; it leaves the lists here."""
        place = self.project(project, P.API_KEYS_MANAGE)
        stored = ApiKey.objects.filter(project=place, pk=as_uuid(key), revoked_at=None).first()
        if stored is None:
            raise refused(HTTPStatus.NOT_FOUND, "API key not found")
        try:
            revoke_api_key(key=stored, actor=self.actor)
        except DomainError as error:
            if error.code != "already_revoked":
                raise
            raise refused(HTTPStatus.NOT_FOUND, "API key not found") from error
        return HTTPStatus.OK, {"success": True}


class OrganizationKeys(LangfuseView):
    """The keys of an organization."""

    error_member = "error"

    @operation("langfuseListOrganizationKeys", "List the organization's keys", permission=P.API_KEYS_READ)
    def get(self) -> Answer:
        """Those that are not revoked."""
        return HTTPStatus.OK, _listed(ApiKey.objects.filter(kind=KeyKind.ORGANIZATION))


def _listed(rows: Any) -> dict[str, Any]:
    keys = rows.filter(revoked_at=None).order_by("created_at", "pk").prefetch_related("secrets")
    return {
        "apiKeys": [
            {
                "id": str(key.pk),
                "createdAt": instant(key.created_at),
                "expiresAt": instant(key.expires_at),
                "lastUsedAt": instant(key.last_used_at),
                "note": key.note or None,
                "publicKey": key.public_id,
                "displaySecretKey": _displayed(key),
            }
            for key in keys
        ]
    }


def _displayed(key: ApiKey) -> str:
    """Return the beginning of the secret and the last characters by which people tell it apart."""
    (current,) = (secret for secret in key.secrets.all() if secret.expires_at is None)
    return f"gatesk...{current.last_four}"
