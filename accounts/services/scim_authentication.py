"""Recognizes an identity provider by its token: a bearer secret, or an access token made with it (OAuth 2.0)."""

import hmac
from datetime import timedelta
from uuid import UUID

from django.core import signing
from django.utils import timezone

from accounts import key_format
from accounts.key_format import KeyKind
from accounts.key_record import Refusal
from accounts.lookups import scim_token_by_id, scim_token_by_secret
from accounts.models import ScimToken
from accounts.scim_token_record import ScimTokenRecord

ACCESS_TOKEN_LIFE = timedelta(hours=1)
_SALT = "gatehouse.scim.access"
_PREFIX = "gateat_"
_NOTED_EVERY = timedelta(minutes=1)


class TokenRefused(Exception):  # noqa: N818 - reads as the statement it is
    """A token is not accepted; the client hears no more than that.

    Args:
        code: why: "malformed", "unknown" or one of `key_record.Refusal`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def authenticate_token(*, bearer: str, ip: str | None) -> ScimTokenRecord:
    """Return the token behind a bearer secret or an access token.

    Args:
        bearer: what came in the ``Authorization`` header (RFC 6750).
        ip: the client's address by the trusted-proxy rule.

    Raises:
        TokenRefused: it is malformed, unknown, revoked or expired, its organization is suspended, or the address is
            not allowed.
    """
    if bearer.startswith(_PREFIX):
        return _accepted(scim_token_by_id(_token_id(bearer)), ip)
    return _accepted(_by_secret(bearer), ip)


def make_access_token(*, client_id: str, client_secret: str, ip: str | None) -> str:
    """Return an access token for a token's public id and secret (RFC 6749 section 4.4); it lives an hour.

    Raises:
        TokenRefused: as `authenticate_token`, or the two do not belong together.
    """
    record = _accepted(_by_secret(client_secret), ip)
    if not hmac.compare_digest(client_id.encode(), record.public_id.encode()):
        raise TokenRefused("unknown")
    return _PREFIX + signing.dumps(str(record.token_id), salt=_SALT)


def note_use(record: ScimTokenRecord, ip: str | None) -> None:
    """Write that a token was used, once a minute at most; its organization's scope must be open."""
    now = timezone.now()
    if record.last_used_at is None or record.last_used_at < now - _NOTED_EVERY:
        ScimToken.objects.filter(pk=record.token_id).update(last_used_at=now, last_used_ip=ip)


def _by_secret(secret: str) -> ScimTokenRecord | None:
    parsed = key_format.parse_secret(secret)
    if parsed is None or parsed.kind is not KeyKind.SCIM:
        raise TokenRefused("malformed")
    return scim_token_by_secret(secret)


def _token_id(access_token: str) -> UUID:
    try:
        return UUID(signing.loads(access_token.removeprefix(_PREFIX), salt=_SALT, max_age=ACCESS_TOKEN_LIFE))
    except signing.SignatureExpired as error:
        raise TokenRefused(Refusal.EXPIRED) from error
    except (signing.BadSignature, ValueError) as error:
        raise TokenRefused("malformed") from error


def _accepted(record: ScimTokenRecord | None, ip: str | None) -> ScimTokenRecord:
    if record is None:
        raise TokenRefused("unknown")
    if refusal := record.refusal(now=timezone.now(), ip=ip):
        raise TokenRefused(refusal)
    return record
