"""What a provider credential has to be told, by provider and by kind, and how that is checked (no models)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from isolation.exceptions import DomainError
from outbound.addresses import check_url
from outbound.exceptions import Refused

from .aws_keys import temporary_keys
from .credential_servers import LEASE_SECONDS, LONGEST
from .credential_sources import service_account, signed

LONGEST_OPTION = 500
LONGEST_SECRET = 16_000
SHORTEST_LEASE = 60
_SHOWN = 4
_LONG_ENOUGH = 16
_PRINTABLE = re.compile(r"[!-~]+")
_TEXT = re.compile(r"[ -~]+")


class Entry(StrEnum):
    """How an option is typed in."""

    TEXT = "text"
    URL = "url"
    NUMBER = "number"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Option:
    """Something that a credential has to be told besides its secret.

    Attributes:
        name: in the API and in what is stored.
        label: what people read.
        help: a sentence: where to find it.
        entry: how it is typed in; the secret is sent to what is a URL.
        required: whether it must not be empty.
        default: what a new credential starts with.
        choices: (value, label) of a `CHOICE`.
        pattern: what a text has to look like, "" for any.
        only_with: (option, value): asked for where that option has that value.
    """

    name: str
    label: str
    help: str = ""
    entry: Entry = Entry.TEXT
    required: bool = True
    default: Any = ""
    choices: tuple[tuple[str, str], ...] = ()
    pattern: str = ""
    only_with: tuple[str, str] | None = None


_REGION = r"[a-z0-9-]{2,40}"
_ACCESS_KEY_ID = r"[A-Z0-9a-z]{4,128}"
_LEASE = Option(
    "lease_seconds",
    "Read again after (seconds)",
    f"{SHORTEST_LEASE} to {LONGEST:,}. A shorter lease of the store's own counts.",
    Entry.NUMBER,
    required=False,
    default=LEASE_SECONDS,
)
_ARN = r"arn:aws[a-z-]{0,12}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}"
_ROLE = (
    Option("role_arn", "Role", "The ARN of a role that these keys assume. Empty: none.", required=False, pattern=_ARN),
    Option(
        "external_id",
        "External ID",
        "Where the role's trust policy asks for one.",
        required=False,
        pattern=r"[A-Za-z0-9_+=,.@:/-]{2,500}",
    ),
    Option(
        "sts_endpoint", "Address of STS", "In place of the region's, for private access.", Entry.URL, required=False
    ),
)
_MAPPING = Option(
    "mapping",
    "Mapping of bodies",
    "The name of a mapping that the operator gave the transformer. Empty: bodies go as they are.",
    required=False,
    pattern=r"[A-Za-z0-9_.-]{1,60}",
)

PROVIDER_OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "openai": (),
    "anthropic": (),
    "azure_openai": (),
    "bedrock": (Option("region", "AWS region", "Such as eu-central-1: where the models run.", pattern=_REGION),),
    "vertex": (
        Option(
            "region",
            "Location",
            "Such as europe-west4; global for the global endpoint.",
            default="global",
            pattern=_REGION,
        ),
    ),
    "mistral": (),
    "openai_compatible": (_MAPPING,),
}

KIND_OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "api_key": (),
    "oauth_client": (
        Option("token_url", "Token endpoint", "Where access tokens are given (RFC 6749).", Entry.URL),
        Option("client_id", "Client ID"),
        Option("scope", "Scope", "Separated by spaces, where the server asks for some.", required=False),
        Option("audience", "Audience", "Where the server asks for one.", required=False),
        Option(
            "auth",
            "The client shows its secret",
            "",
            Entry.CHOICE,
            required=False,
            default="basic",
            choices=(("basic", "In a header (client_secret_basic)"), ("post", "In the body (client_secret_post)")),
        ),
    ),
    "aws_keys": (
        Option(
            "access_key_id",
            "Access key ID",
            "Of an IAM user that may bedrock:CallWithBearerToken and bedrock:InvokeModel*, or assume the role.",
            pattern=_ACCESS_KEY_ID,
        ),
        *_ROLE,
    ),
    "vault": (
        Option("address", "Address of Vault", "Such as https://vault.example.com:8200.", Entry.URL),
        Option("namespace", "Namespace", "Of Vault Enterprise or HCP Vault.", required=False),
        Option("mount", "Mount", "Of the key-value engine.", required=False, default="secret"),
        Option(
            "kv_version",
            "Version of the engine",
            "",
            Entry.CHOICE,
            required=False,
            default="2",
            choices=(("2", "KV version 2"), ("1", "KV version 1")),
        ),
        Option("path", "Path", "Of the secret, below the mount, such as llm/openai."),
        Option("field", "Field", "In the secret: what holds the credential.", required=False, default="value"),
        Option(
            "auth",
            "Gatehouse signs in with",
            "",
            Entry.CHOICE,
            required=False,
            default="approle",
            choices=(("approle", "AppRole"), ("token", "A token")),
        ),
        Option("role_id", "Role ID", "Of the AppRole; none with a token.", only_with=("auth", "approle")),
        Option(
            "auth_mount",
            "Mount of AppRole",
            "",
            required=False,
            default="approle",
            only_with=("auth", "approle"),
        ),
        _LEASE,
    ),
    "aws_secrets_manager": (
        Option("store_region", "Region of the secret", "Such as eu-central-1.", pattern=_REGION),
        Option("secret_id", "Secret", "Its name or ARN."),
        Option("field", "Field", "Where the secret is a JSON object. Empty: all of it.", required=False),
        Option(
            "access_key_id",
            "Access key ID",
            "Of an IAM user that may secretsmanager:GetSecretValue on this secret, or assume the role, and no more.",
            pattern=_ACCESS_KEY_ID,
        ),
        *_ROLE,
        Option("endpoint", "Address", "In place of the region's, for private access.", Entry.URL, required=False),
        _LEASE,
    ),
}

_AWS_SECRET = "Of the access key ID; or, whole, the JSON of temporary keys that “aws sts” prints."  # noqa: S105 - no secret
_SECRETS = {
    "api_key": ("API key", "As the provider shows it once."),
    "oauth_client": ("Client secret", "Of the client that was registered at the server."),
    "vault": ("Secret ID or token", "Of the AppRole, or the token. It opens Vault; the credential itself stays there."),
    "aws_keys": ("Secret access key", _AWS_SECRET),
    "aws_secrets_manager": ("Secret access key", f"{_AWS_SECRET} The credential itself stays in AWS."),
}

_SERVICE_ACCOUNT = (
    "Key of a service account",
    "The JSON file, whole. In Google Cloud: IAM & Admin > Service Accounts > Keys.",
)


def options_of(provider: str, kind: str) -> tuple[Option, ...]:
    """Return what a credential of this provider and kind has to be told."""
    return (*PROVIDER_OPTIONS.get(provider, ()), *KIND_OPTIONS.get(kind, ()))


def secret_of(provider: str, kind: str) -> tuple[str, str]:
    """Return (label, help) of the secret."""
    if (provider, kind) == ("vertex", "api_key"):
        return _SERVICE_ACCOUNT
    return _SECRETS.get(kind, ("Secret", ""))


def is_offered(provider: str, kind: str) -> bool:
    """Return whether a provider's credential can come from there."""
    return kind in KIND_OPTIONS and (kind != "aws_keys" or provider == "bedrock")


def needs_base_url(provider: str) -> bool:
    """Return whether a provider has no address of its own."""
    return provider in {"azure_openai", "openai_compatible"}


def checked_options(provider: str, kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as they are stored: those that are empty left out.

    Raises:
        DomainError: one is unknown, missing, malformed, or leads where nothing may be fetched from.
    """
    known = {option.name: option for option in options_of(provider, kind)}
    for name in given:
        if name not in known:
            raise _refuse(str(name)[:60], f"A credential like this has no setting {str(name)[:60]!r}.")
    values: dict[str, Any] = {}
    for option in known.values():
        value = _checked(option, given.get(option.name, ""))
        values[option.name] = option.default if value == "" else value
    for option in known.values():
        if option.only_with is not None and values.get(option.only_with[0]) != option.only_with[1]:
            values[option.name] = ""
        elif option.required and values[option.name] == "":
            raise DomainError(f"{option.label} is needed.", field=option.name, code="required")
    return {name: value for name, value in values.items() if value != ""}


def checked_secret(provider: str, kind: str, secret: str) -> str:
    """Return a secret without outer white space.

    Raises:
        DomainError: it is empty, too long, or cannot be what it should be; nothing of it is repeated.
    """
    secret = secret.strip()
    label, _help = secret_of(provider, kind)
    if not secret:
        raise DomainError(f"{label} is needed.", field="secret", code="required")
    if len(secret) > LONGEST_SECRET:
        raise _refuse("secret", f"Use {LONGEST_SECRET:,} characters at most.")
    if (provider, kind) == ("vertex", "api_key"):
        return _checked_account(secret)
    if kind in {"aws_keys", "aws_secrets_manager"} and secret.startswith("{"):
        return _checked_keys(secret)
    if not _PRINTABLE.fullmatch(secret):
        raise _refuse("secret", "It has blanks, line breaks or characters beyond ASCII. Paste it alone.")
    return secret


def tail_of(secret: str) -> str:
    """Return the last characters by which people tell a secret apart; "" of one that is too short to show any."""
    account, keys = service_account(secret), temporary_keys(secret)
    text = account["private_key_id"] if account else keys.access_key_id if keys else secret
    return text[-_SHOWN:] if len(text) >= _LONG_ENOUGH else ""


def addresses_in(options: Mapping[str, Any], provider: str, kind: str) -> dict[str, Any]:
    """Return the options that say where the secret is sent to."""
    return {each.name: options.get(each.name, "") for each in options_of(provider, kind) if each.entry is Entry.URL}


def _checked(option: Option, value: Any) -> Any:
    if option.entry is Entry.NUMBER:
        return _number(option, value)
    if not isinstance(value, str):
        raise _refuse(option.name, f"{option.label} is a text.")
    text = value.strip()
    if not text:
        return ""
    if len(text) > LONGEST_OPTION or not _TEXT.fullmatch(text):
        raise _refuse(option.name, f"{option.label}: use {LONGEST_OPTION} plain characters at most.")
    if option.entry is Entry.CHOICE and text not in {each for each, _label in option.choices}:
        raise _refuse(option.name, f"{option.label} has no choice {text!r}.")
    if option.pattern and not re.fullmatch(option.pattern, text):
        raise _refuse(option.name, f"{option.label} is not written like this. {option.help}".rstrip())
    return _address(option, text) if option.entry is Entry.URL else text


def _number(option: Option, value: Any) -> Any:
    if value in {"", None}:
        return ""
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdecimal():
        raise _refuse(option.name, f"{option.label}: write a whole number.")
    if not SHORTEST_LEASE <= int(value) <= LONGEST:
        raise _refuse(option.name, f"{option.label}: use {SHORTEST_LEASE} to {LONGEST:,}.")
    return int(value)


def _address(option: Option, text: str) -> str:
    try:
        return check_url(text)
    except Refused as error:
        raise _refuse(option.name, error.detail) from None


def _checked_account(secret: str) -> str:
    account = service_account(secret)
    if account is None:
        raise _refuse("secret", "This is not the JSON key of a service account. Paste the whole file.")
    try:
        check_url(account["token_uri"])
        signed(account)
    except Refused as error:
        raise _refuse("secret", f"The token_uri in the key cannot be used. {error.detail}") from None
    except ValueError:
        raise _refuse(
            "secret", "The private_key in the key cannot be read. Make a new key, and paste it whole."
        ) from None
    return secret


def _checked_keys(secret: str) -> str:
    if temporary_keys(secret) is None:
        raise _refuse(
            "secret",
            "These are no temporary keys of AWS. Paste what “aws sts assume-role” prints, whole: AccessKeyId, "
            "SecretAccessKey, SessionToken and Expiration.",
        )
    return secret


def _refuse(name: str, text: str) -> DomainError:
    return DomainError(text, field=name, code="invalid")
