"""What an identity provider says of somebody, by whichever protocol, after every check."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ProviderSession:
    """Their session at the identity provider, by which it ends ours, and we ask it to end its own (SAML 2.0 only).

    Attributes:
        name_id: the NameID's text.
        name_id_format: its Format, "" for none.
        name_qualifier: its NameQualifier, "" for none.
        sp_name_qualifier: its SPNameQualifier, "" for none.
        session_index: SessionIndex, "" for none.
        ends_at: SessionNotOnOrAfter; None: whenever ours ends.
    """

    name_id: str
    name_id_format: str = ""
    name_qualifier: str = ""
    sp_name_qualifier: str = ""
    session_index: str = ""
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What an identity provider says, checked.

    Attributes:
        subject: who it is, to the issuer.
        claims: by their names; attributes, with SAML 2.0.
        assurance: how they proved who they are, in the provider's words: `amr` and `acr`, or AuthnContextClassRef.
        session: their session there; None where the protocol names none.
        authenticated_at: when they proved it there (`auth_time`, AuthnInstant); None when the provider does not say.
        sid: their session's name there, by which a logout token ends it (OpenID Connect); "" for none.
    """

    subject: str
    claims: dict[str, Any]
    assurance: tuple[str, ...] = ()
    session: ProviderSession | None = field(default=None)
    authenticated_at: datetime | None = None
    sid: str = ""
