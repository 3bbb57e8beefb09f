"""API keys of an organization."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.key_state import STATES
from accounts.models import ApiKey
from accounts.services.api_keys import (
    create_api_key,
    revoke_api_key,
    revoke_api_keys,
    rotate_api_key,
    update_api_key,
)
from accounts.services.key_rules import LONGEST_REASON, IssuedKey
from api.operation import Filter, listing, operation
from api.problems import FieldError, Problem
from api.views import OrganizationView
from tenants.api.common import reason_of
from tenants.api.serializers import project_filter
from tenants.models import Environment
from tenants.permissions import P

from .key_serializers import (
    LISTED_KINDS,
    BulkRevocation,
    BulkRevoked,
    IssuedKeyAnswer,
    KeyAnswer,
    KeyChange,
    NewKey,
    Revocation,
    Rotation,
)

TAG = "API keys"
_CHANGEABLE = ("name", "scopes", "expires_at", "allowed_networks", "note")
_LONGEST_AGE = 36_500

EXAMPLE: dict[str, Any] = {
    "id": "7d0f5d2c-0b3b-4c36-9d0a-9f6c5a4e1b20",
    "kind": "project",
    "name": "Ingestion",
    "note": "",
    "environment": "production",
    "public_id": "gatepk_prj_prod_6Zq0Wm2Yx8Kc4Tn1Rb7Vd3_0aB1cD",
    "secrets": [
        {
            "id": "c1f3d7a2-5a0e-4d9b-8a55-3f1d6c0e7b11",
            "last_four": "x7Qp",
            "created_at": "2026-03-01T08:00:00Z",
            "accepted_until": None,
        }
    ],
    "scopes": ["traces:read", "traces:write"],
    "allowed_networks": ["203.0.113.0/24"],
    "project": {"id": "d2b7a8de-61c7-4c1c-8f0e-0d3f9a4b7c55", "slug": "chatbot", "name": "Chatbot"},
    "user": None,
    "service_account": None,
    "state": "active",
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
    "expires_at": "2026-05-30T08:00:00Z",
    "last_used_at": "2026-03-04T10:22:31Z",
    "last_used_ip": "203.0.113.7",
    "revoked_at": None,
    "revocation_reason": "",
}
_SECRET = {"secret": "gatesk_prj_prod_<43 characters>_<6 characters>"}
ENDED = {"state": "revoked", "secrets": [], "revoked_at": "2026-03-05T12:00:00Z", "revocation_reason": "Laptop stolen"}
_NEW = {"name": "Ingestion", "scopes": ["traces:write"], "expires_at": "2026-05-30T08:00:00Z"}
FILTERS = {
    "kind": Filter(serializers.ChoiceField(choices=LISTED_KINDS, help_text="Of this kind."), "kind"),
    "state": Filter(serializers.ChoiceField(choices=STATES, help_text="In this state now.")),
    "environment": Filter(
        serializers.ChoiceField(choices=Environment.values, help_text="Of this environment."), "environment"
    ),
    "project": project_filter("Of this project."),
    "service_account": Filter(
        serializers.UUIDField(help_text="Of this service account, by its id."), "service_account_id"
    ),
    "user": Filter(serializers.UUIDField(help_text="Of this person, by their id."), "user_id"),
    "older_than_days": Filter(
        serializers.IntegerField(
            min_value=0,
            max_value=_LONGEST_AGE,
            help_text="Active keys only whose current secret was made more than so many days ago.",
        )
    ),
}
ORDERING = {"created_at": "created_at", "name": "name"}
REASON = {"reason": Filter(serializers.CharField(max_length=LONGEST_REASON, help_text="Why, for the audit log."))}


class KeyView(OrganizationView):
    """An endpoint of API keys: those on which the actor holds a permission, and their own."""

    tag = TAG

    def keys(self, permission: str = P.API_KEYS_READ) -> Any:
        """Return the keys that are seen, and those that the permission alone lets be changed."""
        rows = ApiKey.objects.visible_to(self.actor)
        if permission != P.API_KEYS_READ:
            rows |= ApiKey.objects.visible_to(self.actor, permission)
        return rows

    def shown_keys(self, permission: str = P.API_KEYS_READ) -> Any:
        """Return the same with everything that is shown of them."""
        return self.keys(permission).select_related("project", "user", "service_account").prefetch_related("secrets")

    def narrowed(self, rows: Any) -> Any:
        """Return the rows that pass the filters which are no plain lookups."""
        if (state := self.query.get("state")) is not None:
            rows = rows.in_state(state)
        if (days := self.query.get("older_than_days")) is not None:
            rows = rows.older_than(days)
        return rows

    def changed(self, key: UUID) -> ApiKey:
        """Change a key to what the body says."""
        stored = self.locked(self.shown_keys(P.API_KEYS_MANAGE), pk=key)
        values = {name: getattr(stored, name) for name in _CHANGEABLE}
        update_api_key(key=stored, actor=self.actor, **{**values, **self.data})
        return self.again(stored)

    def rotated(self, key: UUID) -> IssuedKey:
        """Rotate a key as the body says."""
        stored = self.find(self.keys(P.API_KEYS_ROTATE), pk=key)
        issued = rotate_api_key(
            key=stored,
            actor=self.actor,
            overlap=timedelta(seconds=self.data.get("overlap_seconds", 0)),
            expected_secret_id=self.data.get("expected_secret_id"),
        )
        return IssuedKey(self.again(stored), issued.secret)

    def revoked(self, key: UUID, reason: str) -> ApiKey:
        """Revoke a key."""
        stored = self.locked(self.shown_keys(P.API_KEYS_MANAGE), pk=key)
        revoke_api_key(key=stored, actor=self.actor, reason=reason)
        return self.again(stored)

    def issued(self, issued: IssuedKey) -> IssuedKey:
        """Return a new key as it is shown, with its secret."""
        return IssuedKey(self.again(issued.key), issued.secret)

    def again(self, key: ApiKey) -> ApiKey:
        """Return the key as it is stored now, with everything that is shown of it."""
        rows = ApiKey.objects.select_related("project", "user", "service_account").prefetch_related("secrets")
        found: ApiKey = rows.get(pk=key.pk)
        return found


class ApiKeys(KeyView):
    """The keys of an organization."""

    @listing(
        "listApiKeys",
        "List API keys",
        permission=P.API_KEYS_READ,
        anywhere=True,
        response=KeyAnswer,
        filters=FILTERS,
        ordering=ORDERING,
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Those of the projects in which you may see keys, with the permission in the organization all of them."""
        return self.narrowed(self.shown_keys())

    @operation(
        "createApiKey",
        "Create an API key",
        permission=P.API_KEYS_MANAGE,
        anywhere=True,
        request=NewKey,
        response=IssuedKeyAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | _SECRET,
        request_example=_NEW | {"kind": "project", "project": EXAMPLE["project"]["id"]},
    )
    def post(self) -> IssuedKey:
        """The secret is in this answer and in no other; with an `Idempotency-Key`, in its repetitions for a day too.

        A key allows no more than you hold. A project's key counts in its project alone.
        """
        return self.issued(create_api_key(organization=self.organization, actor=self.actor, **self.data))


class OneApiKey(KeyView):
    """One key."""

    @operation(
        "getApiKey",
        "Return an API key",
        permission=P.API_KEYS_READ,
        anywhere=True,
        response=KeyAnswer,
        example=EXAMPLE,
    )
    def get(self, key: UUID) -> ApiKey:
        """Without its secret, which nobody can read again. The ETag leaves out when the key was last used."""
        found: ApiKey = self.find(self.shown_keys(), pk=key)
        return found

    @operation(
        "updateApiKey",
        "Change an API key",
        permission=P.API_KEYS_MANAGE,
        anywhere=True,
        request=KeyChange,
        response=KeyAnswer,
        example=EXAMPLE,
        request_example={"name": "Ingestion", "allowed_networks": ["203.0.113.0/24"]},
    )
    def patch(self, key: UUID) -> ApiKey:
        """What is left out stays as it is. Personal keys are changed by their person, under personal-keys."""
        return self.changed(key)

    @operation(
        "deleteApiKey",
        "Revoke an API key",
        permission=P.API_KEYS_MANAGE,
        anywhere=True,
        status=HTTPStatus.NO_CONTENT,
        filters=REASON,
    )
    def delete(self, key: UUID) -> None:
        """The same as revoking it: it stays in the list, as revoked."""
        self.revoked(key, reason_of(self))


class ApiKeyRotation(KeyView):
    """A new secret for a key."""

    @operation(
        "rotateApiKey",
        "Rotate an API key",
        permission=P.API_KEYS_ROTATE,
        anywhere=True,
        request=Rotation,
        response=IssuedKeyAnswer,
        example=EXAMPLE | _SECRET,
        request_example={"overlap_seconds": 3600, "expected_secret_id": EXAMPLE["secrets"][0]["id"]},
    )
    def post(self, key: UUID) -> IssuedKey:
        """The secret before is accepted until the overlap ends, older ones no longer. The new one is shown this once.

        With `expected_secret_id` only one of two simultaneous rotations is carried out, the other is refused (409).
        """
        return self.rotated(key)


class ApiKeyRevocation(KeyView):
    """The end of a key."""

    @operation(
        "revokeApiKey",
        "Revoke an API key, with a reason",
        permission=P.API_KEYS_MANAGE,
        anywhere=True,
        request=Revocation,
        response=KeyAnswer,
        example=EXAMPLE | ENDED,
        request_example={"reason": "Laptop stolen"},
    )
    def post(self, key: UUID) -> ApiKey:
        """It is accepted nowhere from this answer on, in the gateway within a second; this cannot be undone."""
        return self.revoked(key, self.data.get("reason", ""))


class ApiKeysRevocation(KeyView):
    """The end of several keys."""

    @operation(
        "revokeApiKeys",
        "Revoke several API keys",
        permission=P.API_KEYS_MANAGE,
        anywhere=True,
        request=BulkRevocation,
        response=BulkRevoked,
        example={"revoked": [EXAMPLE["id"]], "unchanged": []},
        request_example={"ids": [EXAMPLE["id"]], "reason": "The contractor left"},
    )
    def post(self) -> Mapping[str, list[UUID]]:
        """All of them or, when one is unknown or not yours to revoke, none."""
        wanted = list(dict.fromkeys(self.data["ids"]))
        found = {key.pk: key for key in self.keys(P.API_KEYS_MANAGE).filter(pk__in=wanted)}
        unknown = [pk for pk in wanted if pk not in found]
        if unknown:
            given = self.data["ids"]
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "invalid",
                "Some of these keys do not exist for you, so that none was revoked. Leave those under “errors” out.",
                errors=[
                    FieldError("There is no such key for you.", "does_not_exist", pointer=f"#/ids/{given.index(pk)}")
                    for pk in unknown
                ],
            )
        ended = revoke_api_keys(keys=found.values(), actor=self.actor, reason=self.data.get("reason", ""))
        revoked = {key.pk for key in ended}
        return {
            "revoked": [pk for pk in wanted if pk in revoked],
            "unchanged": [pk for pk in wanted if pk not in revoked],
        }
