"""What allauth's second factors ask of us: words, names, and how a secret opens."""

from typing import ClassVar

from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http.request import split_domain_port

from accounts.models import User

from .sealing import opened


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no type hints
    """Opens secrets by the vault; `receivers` seals them, where the row is known."""

    error_messages: ClassVar = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is wrong, or was used already. Type the one that your app shows now.",
        "passkey_refused": "This passkey was not accepted. Try again, or sign in another way.",
        "passkey_not_added": "This passkey could not be added. Reload the page and try again.",
        "vault_closed": "Codes cannot be checked at the moment. Try again in a minute; if that stays, tell the people "
        "who run this installation.",
        "cannot_generate_recovery_codes": "Recovery codes stand in for a second step. Set up an authenticator app or a "
        "passkey first.",
        "unverified_email": "Confirm your e-mail addresses first: another person's would lock them out.",
    }

    def encrypt(self, text: str) -> str:
        """Return the text as it is: its row is not known yet, and seals it when it is saved."""
        return text

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret.

        Raises:
            VaultError: it does not open.
        """
        return opened(encrypted_text)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002 - allauth's name
        """Return how a new passkey is called unless its person says otherwise."""
        taken = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return "Passkey" if not taken else f"Passkey {taken + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return for which site passkeys are made: the host of the request, which `ALLOWED_HOSTS` has checked."""
        host, _ = split_domain_port(allauth_context.request.get_host())
        return {"id": host, "name": settings.MFA_TOTP_ISSUER}
