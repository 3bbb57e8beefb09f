"""One's own second factors, without their secrets. They are set up in a browser: a passkey needs one."""

from typing import Any

from allauth.mfa.models import Authenticator
from rest_framework import serializers

from accounts.services.second_factors import KINDS
from api.operation import AUTHENTICATED, listing
from api.serializers import Answer
from api.views import ApiView
from tenants.api.common import person_of

_KINDS = {kind: words.replace(" ", "_") for kind, words in KINDS.items()}


class SecondFactorAnswer(Answer):
    """A second factor, or the recovery codes that stand in for one."""

    id = serializers.IntegerField()
    kind = serializers.SerializerMethodField(help_text="`authenticator_app`, `passkey` or `recovery_codes`.")
    name = serializers.SerializerMethodField(help_text="What you called a passkey; otherwise empty.")
    signs_in_alone = serializers.SerializerMethodField(help_text="Whether a passkey signs you in without a password.")
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)

    def get_kind(self, factor: Authenticator) -> str:
        """Return the kind."""
        return _KINDS[Authenticator.Type(factor.type)]

    def get_name(self, factor: Authenticator) -> str:
        """Return a passkey's name."""
        return str(factor) if factor.type == Authenticator.Type.WEBAUTHN else ""

    def get_signs_in_alone(self, factor: Authenticator) -> bool:
        """Return whether it signs in without a password."""
        return factor.type == Authenticator.Type.WEBAUTHN and bool(factor.wrap().is_passwordless)


class SecondFactors(ApiView):
    """One's own second factors."""

    tag = "Me"

    @listing(
        "listSecondFactors",
        "List your second factors",
        permission=AUTHENTICATED,
        response=SecondFactorAnswer,
        ordering={"created_at": "created_at"},
        default_ordering="created_at",
        example={
            "id": 7,
            "kind": "passkey",
            "name": "Laptop",
            "signs_in_alone": True,
            "created_at": "2026-01-05T09:00:00Z",
            "last_used_at": None,
        },
    )
    def get(self) -> Any:
        """With a session only. They are added, renamed and removed on the page Two-step sign-in."""
        user = person_of(self, what="A key has no second factor.", elsewhere=True)
        return Authenticator.objects.filter(user=user)
