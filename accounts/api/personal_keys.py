"""One's own keys: everybody has them without any permission, and they never allow more than their person may do."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from accounts.key_format import KeyKind
from accounts.models import ApiKey
from accounts.services.api_keys import create_api_key
from accounts.services.key_rules import IssuedKey
from api.operation import MEMBER, listing, operation
from isolation.actor import ActorKind
from tenants.api.common import reason_of
from tenants.permissions import P

from . import api_keys
from .api_keys import KeyView
from .key_serializers import IssuedKeyAnswer, KeyAnswer, KeyChange, NewPersonalKey, Revocation, Rotation

EXAMPLE = api_keys.EXAMPLE | {
    "kind": "personal",
    "name": "Laptop",
    "public_id": "gatepk_usr_prod_6Zq0Wm2Yx8Kc4Tn1Rb7Vd3_0aB1cD",
    "project": None,
    "user": {"id": "5b7c7b4e-4f5f-4a77-9d0e-6a9f7c8d1e22", "email": "ada@acme.example", "name": "Ada"},
}
_SECRET = {"secret": "gatesk_usr_prod_<43 characters>_<6 characters>"}


class PersonalKeyView(KeyView):
    """An endpoint of the keys of the person who asks; a key, which is no person, has none."""

    tag = "Personal keys"

    def keys(self, permission: str = P.API_KEYS_READ) -> Any:
        """Return one's own keys."""
        if self.actor.kind is not ActorKind.USER:
            return ApiKey.objects.none()
        return ApiKey.objects.filter(kind=KeyKind.PERSONAL, user_id=self.actor.id)


class PersonalKeys(PersonalKeyView):
    """One's own keys in an organization."""

    @listing(
        "listPersonalKeys",
        "List your personal keys",
        permission=MEMBER,
        response=KeyAnswer,
        filters={name: api_keys.FILTERS[name] for name in ("state", "environment", "older_than_days")},
        ordering=api_keys.ORDERING,
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Yours in this organization; nobody else's, whatever your role."""
        return self.narrowed(self.shown_keys())

    @operation(
        "createPersonalKey",
        "Create a personal key",
        permission=MEMBER,
        request=NewPersonalKey,
        response=IssuedKeyAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | _SECRET,
        request_example={"name": "Laptop", "scopes": ["traces:read"], "expires_at": "2026-05-30T08:00:00Z"},
    )
    def post(self) -> IssuedKey:
        """It allows its scopes, and of those only what you may do yourself at that moment. Signed in only.

        The secret is in this answer and in no other; with an `Idempotency-Key`, in its repetitions for a day too.
        """
        made = create_api_key(organization=self.organization, kind=KeyKind.PERSONAL, actor=self.actor, **self.data)
        return self.issued(made)


class OnePersonalKey(PersonalKeyView):
    """One of one's own keys."""

    @operation("getPersonalKey", "Return a personal key", permission=MEMBER, response=KeyAnswer, example=EXAMPLE)
    def get(self, personal_key: UUID) -> ApiKey:
        """Without its secret, which nobody can read again. The ETag leaves out when the key was last used."""
        found: ApiKey = self.find(self.shown_keys(), pk=personal_key)
        return found

    @operation(
        "updatePersonalKey",
        "Change a personal key",
        permission=MEMBER,
        request=KeyChange,
        response=KeyAnswer,
        example=EXAMPLE,
        request_example={"name": "Laptop"},
    )
    def patch(self, personal_key: UUID) -> ApiKey:
        """What is left out stays as it is."""
        return self.changed(personal_key)

    @operation(
        "deletePersonalKey",
        "Revoke a personal key",
        permission=MEMBER,
        status=HTTPStatus.NO_CONTENT,
        filters=api_keys.REASON,
    )
    def delete(self, personal_key: UUID) -> None:
        """The same as revoking it: it stays in the list, as revoked."""
        self.revoked(personal_key, reason_of(self))


class PersonalKeyRotation(PersonalKeyView):
    """A new secret for one's own key."""

    @operation(
        "rotatePersonalKey",
        "Rotate a personal key",
        permission=MEMBER,
        request=Rotation,
        response=IssuedKeyAnswer,
        example=EXAMPLE | _SECRET,
        request_example={"overlap_seconds": 3600},
    )
    def post(self, personal_key: UUID) -> IssuedKey:
        """The secret before is accepted until the overlap ends, older ones no longer. The new one is shown this once.

        With `expected_secret_id` only one of two simultaneous rotations is carried out, the other is refused (409).
        """
        return self.rotated(personal_key)


class PersonalKeyRevocation(PersonalKeyView):
    """The end of one's own key."""

    @operation(
        "revokePersonalKey",
        "Revoke a personal key, with a reason",
        permission=MEMBER,
        request=Revocation,
        response=KeyAnswer,
        example=EXAMPLE | api_keys.ENDED,
        request_example={"reason": "Laptop stolen"},
    )
    def post(self, personal_key: UUID) -> ApiKey:
        """It is accepted nowhere from this answer on, in the gateway within a second; this cannot be undone."""
        return self.revoked(personal_key, self.data.get("reason", ""))
