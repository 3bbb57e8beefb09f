"""Draws the JSON Schema of blueprints from the models and the permission catalogue.

What it returns is checked in as ``schema.json``, and that file is what checks a blueprint: editors and pipelines see
the very rules that the portal has.
"""

import json
from typing import Any

from accounts.models import (
    Joining,
    ScimConnection,
    ServiceAccount,
    SignInException,
    SsoAsSecondFactor,
    SsoConnection,
    SsoGroupMapping,
    SsoProtocol,
    SsoProvider,
    SsoRequired,
    User,
)
from accounts.models.service_account import ServiceAccountKind
from accounts.models.sign_in_policy import MOST_IDLE_MINUTES, MOST_SESSION_HOURS, MOST_SESSIONS
from accounts.models.sso_setup import LONGEST_RECIPIENT
from accounts.services.sso_setup import MOST_DAYS
from accounts.sso.saml.idp_metadata import LARGEST
from audit.masking.detectors import DETECTORS
from audit.masking.selection import LABELS
from audit.models import RecordFormat, Sink
from audit.retention.models import MOST_MONTHS
from audit.services.sinks import LARGEST_BATCH_EVENTS, LONGEST_BATCH_SECONDS, SMALLEST_BATCH_BYTES
from audit.sinks.registry import DESTINATIONS
from gateway.models import CounterOutage, CredentialKind, Provider, ProviderCredential
from gateway.models.provider_credential import MOST_MODELS
from gateway.models.proxy_settings import LONGEST_TOKEN, SHORTEST_TOKEN
from gateway.services.provider_credentials import LOWEST_PRIORITY
from gateway.services.proxy_settings import MOST_AUDIENCES
from tenants.models import Domain, Environment, Group, Organization, Project, Role
from tenants.models.organization import MAX_KEY_DAYS, SLUG
from tenants.permissions import CATALOGUE
from tenants.services.projects import LARGEST_METADATA

from .schema import DIALECT, FILE, KEY_KINDS, SECTIONS
from .sections.usage_limits import PATTERN as LIMIT_PATTERN

EMAIL = r"^[^@\s]+@[^@\s]+$"
ROLE_KEY = r"^[a-z0-9][a-z0-9_-]{0,62}$"
NAME = r"\S"
SLUG_PATTERN = str(SLUG.regex.pattern)  # type: ignore[union-attr] # Django compiles it
PUBLISHED_AT = "https://gatehouse.example/blueprint.schema.json"


def generate() -> dict[str, Any]:
    """Return the schema as it should be."""
    return {
        "$schema": DIALECT,
        "$id": PUBLISHED_AT,
        "title": "Gatehouse blueprint",
        "description": "Organizations as they should be: manage.py blueprint plan|apply. See docs/blueprint.md.",
        **_map(
            {
                "version": {"const": 1, "description": "The version of this format."},
                "users": _named(EMAIL, "user", "Logins that are made when they are missing, by e-mail address."),
                "organizations": _named(SLUG_PATTERN, "organization", "Organizations by identifier."),
            },
            required=["version"],
        ),
        "$defs": {
            "role_key": _text(ROLE_KEY, 63, "owner, admin, member, viewer, auditor, none, or a custom role's key."),
            "slug": {"type": "string", "pattern": SLUG_PATTERN},
            "permission": {
                "enum": [permission.name.value for group in CATALOGUE for permission in group.permissions],
                "description": "A permission of the catalogue (docs/roles.md).",
            },
            "secret": _secret(),
            "project_roles": _named(SLUG_PATTERN, "role_key", "Roles in projects, by the project's identifier."),
            "user": _user(),
            "organization": _organization(),
            "settings": _settings(),
            "role": _role(),
            "project": _project(),
            "member": _member(),
            "group": _group(),
            "service_account": _service_account(),
            "key": _key(),
            "domain": _domain(),
            "sso_connection": _sso_connection(),
            "sso_setup_link": _sso_setup_link(),
            "sign_in_policy": _sign_in_policy(),
            "sink": _sink(),
            "audit_log": _audit_log(),
            "llm_proxy": _llm_proxy(),
            "provider_credential": _provider_credential(),
            "usage_limit": _usage_limit(),
        },
    }


def write() -> None:
    """Bring the checked-in file up to date; for whoever changed a model or the catalogue."""
    FILE.write_text(json.dumps(generate(), indent=2) + "\n", encoding="utf-8")


def _organization() -> dict[str, Any]:
    return _map(
        {
            "name": _text(NAME, _length(Organization, "name"), "What people read."),
            "settings": {"$ref": "#/$defs/settings"},
            "prune": {
                "type": ["boolean", "array"],
                "items": {"enum": list(SECTIONS)},
                "uniqueItems": True,
                "description": "Remove what the named sections (true: all that are written) do not mention.",
            },
            "roles": _named(ROLE_KEY, "role", "Custom roles by key."),
            "projects": _named(SLUG_PATTERN, "project", "Projects by identifier."),
            "members": _named(EMAIL, "member", "People by e-mail address."),
            "groups": _named(NAME, "group", "Groups by name.", longest=_length(Group, "name")),
            "service_accounts": _named(
                NAME, "service_account", "Service accounts by name.", longest=_length(ServiceAccount, "name")
            ),
            "keys": _named(NAME, "key", "API keys by name.", longest=200),
            "domains": _named(NAME, "domain", "Domains by name.", longest=_length(Domain, "name")),
            "sso_connections": _named(
                NAME,
                "sso_connection",
                "Single sign-on connections by name.",
                longest=_length(SsoConnection, "name"),
            ),
            "sso_setup_links": _named(
                NAME,
                "sso_setup_link",
                "Links for setting up single sign-on, by who gets them.",
                longest=LONGEST_RECIPIENT,
            ),
            "sign_in_policy": {"$ref": "#/$defs/sign_in_policy"},
            "sinks": _named(NAME, "sink", "SIEM sinks by name.", longest=_length(Sink, "name")),
            "audit_log": {"$ref": "#/$defs/audit_log"},
            "llm_proxy": {"$ref": "#/$defs/llm_proxy"},
            "provider_credentials": _named(NAME, "provider_credential", "Provider credentials by name.", longest=200),
            "usage_limits": _named(
                LIMIT_PATTERN,
                "usage_limit",
                "Limits of LLM usage, by whose and what: “project chatbot: dollars per month”.",
                longest=400,
            ),
        }
    )


def _usage_limit() -> dict[str, Any]:
    return _map(
        {
            "amount": {
                "type": ["integer", "string"],
                "minimum": 0,
                "pattern": r"^\d+(\.\d{1,6})?$",
                "description": "Requests or tokens; dollars as a whole number or as a text (“12.50”).",
            },
            "active": {"type": "boolean", "description": "false: the limit is kept and not in force."},
        },
        required=["amount"],
    )


def _settings() -> dict[str, Any]:
    pattern, hint = "project_naming_pattern", "project_naming_hint"
    return _map(
        {
            "default_role": {
                "anyOf": [{"$ref": "#/$defs/role_key"}, {"type": "null"}],
                "description": "What an invitation gives when nobody chose a role.",
            },
            pattern: _text("", _length(Organization, pattern), "What new projects' identifiers must match."),
            hint: _text("", _length(Organization, hint), "An example of such an identifier."),
            "api_key_max_days": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": MAX_KEY_DAYS,
                "description": "The longest life of an API key; null: no maximum.",
            },
        }
    )


def _role() -> dict[str, Any]:
    return _map(
        {
            "name": _text(NAME, _length(Role, "name"), "What people read; the key when left out."),
            "description": _text("", _length(Role, "description")),
            "permissions": {"type": "array", "items": {"$ref": "#/$defs/permission"}, "uniqueItems": True},
        },
        required=["permissions"],
    )


def _project() -> dict[str, Any]:
    return _map(
        {
            "name": _text(NAME, _length(Project, "name"), "What people read; the identifier when left out."),
            "environment": {"enum": list(Environment.values)},
            "description": _text("", _length(Project, "description")),
            "metadata": {
                "type": "object",
                "description": f"An object of your own; replaces what was there. {LARGEST_METADATA:,} bytes at most.",
            },
        }
    )


def _member() -> dict[str, Any]:
    return _map(
        {
            "role": {"$ref": "#/$defs/role_key"},
            "active": {"type": "boolean", "description": "false: keeps the membership and may do nothing."},
            "projects": {"$ref": "#/$defs/project_roles"},
        },
        required=["role"],
    )


def _group() -> dict[str, Any]:
    return _map(
        {
            "description": _text("", _length(Group, "description")),
            "members": {"type": "array", "items": _text(EMAIL, 254), "uniqueItems": True},
            "provisioned": {
                "type": "boolean",
                "description": "true: the identity provider makes the group and puts people into it.",
            },
            "role": {"$ref": "#/$defs/role_key"},
            "allow_owner": {
                "type": "boolean",
                "description": "true: the role may be owner, for everybody whom the identity provider puts into it.",
            },
            "projects": {"$ref": "#/$defs/project_roles"},
        }
    )


def _service_account() -> dict[str, Any]:
    return _map(
        {
            "description": _text("", _length(ServiceAccount, "description")),
            "kind": {"enum": list(ServiceAccountKind.values)},
            "role": {"$ref": "#/$defs/role_key"},
            "active": {"type": "boolean"},
            "projects": {"$ref": "#/$defs/project_roles"},
        },
        required=["role"],
    )


def _key() -> dict[str, Any]:
    return _map(
        {
            "name": _text(NAME, 120, "What people read; the entry's own name when left out."),
            "kind": {"enum": list(KEY_KINDS)},
            "project": {"$ref": "#/$defs/slug"},
            "service_account": _text(NAME, _length(ServiceAccount, "name")),
            "environment": {"enum": list(Environment.values)},
            "scopes": {"type": "array", "items": {"$ref": "#/$defs/permission"}, "uniqueItems": True, "minItems": 1},
            "expires_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "With a time zone: 2027-01-31T00:00:00Z; null: never.",
            },
            "allowed_networks": {
                "type": "array",
                "items": {"type": "string"},
                "uniqueItems": True,
                "description": "Addresses or CIDR ranges; empty: from everywhere.",
            },
            "note": _text("", 1_000),
            "public_id": _text("^gatepk_", 60, "Tells two keys of the same name apart."),
            "secret": {"$ref": "#/$defs/secret"},
        },
        required=["kind", "scopes"],
    )


def _domain() -> dict[str, Any]:
    return _map(
        {
            "confirmed": {
                "type": ["string", "null"],
                "pattern": NAME,
                "maxLength": _length(Domain, "reason"),
                "description": "How the installation knows that it is theirs: no record is looked for then.",
            },
            "verified": {
                "const": True,
                "description": "true: the record of a domain that is claimed already is looked for now.",
            },
        }
    )


def _sso_connection() -> dict[str, Any]:
    claim = {"type": "string", "pattern": NAME, "maxLength": _length(SsoConnection, "email_claim")}
    drawn = _map(
        {
            "protocol": {"enum": list(SsoProtocol.values), "description": "It never changes; oidc when left out."},
            "metadata_url": _text("", _length(SsoConnection, "metadata_url"), "SAML: where the metadata stand."),
            "metadata_xml": _text("", LARGEST, "SAML: the metadata themselves, where there is no address."),
            "subject_attribute": _text("", 120, "SAML: says who somebody is; empty: the NameID."),
            "signs_requests": {"type": "boolean", "description": "SAML: sign requests, true when left out."},
            "allows_idp_initiated": {"type": "boolean", "description": "SAML: sign-ins may begin at the provider."},
            "provider": {"enum": list(SsoProvider.values), "description": "Whose instructions the page shows."},
            "issuer": _text(NAME, _length(SsoConnection, "issuer"), "Exactly as the provider calls itself."),
            "client_id": _text(NAME, _length(SsoConnection, "client_id")),
            "client_secret": {"$ref": "#/$defs/secret"},
            "joining": {"enum": list(Joining.values), "description": "Who becomes a member by signing in."},
            "role": {
                "anyOf": [{"$ref": "#/$defs/role_key"}, {"type": "null"}],
                "description": "What people become who join by signing in; null: the default role.",
            },
            "email_claim": claim,
            "name_claim": claim,
            "external_id_claim": claim,
            "groups_claim": _text("", _length(SsoConnection, "groups_claim"), "Empty: sign-ins change no group."),
            "owner_value": _text(
                "",
                _length(SsoConnection, "owner_value"),
                "Whoever has this value in the groups claim is an owner; takes an owner who applies the file.",
            ),
            "groups": {
                "type": "object",
                "description": "Groups that follow, by the value of the claim.",
                "propertyNames": {"pattern": NAME, "maxLength": _length(SsoGroupMapping, "value")},
                "additionalProperties": {
                    "type": "array",
                    "items": _text(NAME, _length(Group, "name")),
                    "uniqueItems": True,
                },
            },
            "domains": {
                "type": "array",
                "items": _text(NAME, _length(Domain, "name")),
                "uniqueItems": True,
                "description": "Whose addresses lead here and count here; none: those of each verified domain.",
            },
            "scopes": _text(NAME, _length(SsoConnection, "scopes"), "openid among them; separated by spaces."),
            "scim_connection": {
                "type": ["string", "null"],
                "pattern": NAME,
                "maxLength": _length(ScimConnection, "name"),
                "description": "The SCIM connection of the same directory, by its name: its externalIds count here.",
            },
            "ends_at_provider": {
                "type": "boolean",
                "description": "true: who signs out here is led on to sign out at the provider.",
            },
            "enabled": {"type": "boolean", "description": "true: people can sign in through it."},
        },
    )
    saml = {"properties": {"protocol": {"const": "saml"}}, "required": ["protocol"]}
    return drawn | {"if": {"not": saml}, "then": {"required": ["issuer", "client_id"]}}


def _sso_setup_link() -> dict[str, Any]:
    return _map(
        {
            "days": {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "description": "How long it counts."},
            "token": {"$ref": "#/$defs/secret"},
        },
        required=["token"],
    )


def _audit_log() -> dict[str, Any]:
    months = "For how many months events are kept; null: without end. A shorter time counts after its notice."
    return _map(
        {
            "retention_months": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": MOST_MONTHS,
                "description": months,
            }
        },
        required=["retention_months"],
    )


def _llm_proxy() -> dict[str, Any]:
    def switch(description: str) -> dict[str, Any]:
        return {"type": "boolean", "description": description}

    return _map(
        {
            "enabled": switch("true: tokens are issued, and requests let through."),
            "audiences": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[!-~]{1,200}$"},
                "minItems": 1,
                "maxItems": MOST_AUDIENCES,
                "uniqueItems": True,
                "description": "Whom tokens are for (aud).",
            },
            "token_seconds": {
                "type": "integer",
                "minimum": SHORTEST_TOKEN,
                "maximum": LONGEST_TOKEN,
                "description": "How long a token lives, in seconds.",
            },
            "accepts_api_keys": switch("true: the proxy takes API keys directly as well."),
            "langsmith_names": switch("true: tokens carry workspace_id and ls_user_id too."),
            "masked": {
                "type": "array",
                "items": {"enum": list(DETECTORS)},
                "uniqueItems": True,
                "description": "What is replaced in prompts.",
            },
            "on_counter_outage": {
                "enum": list(CounterOutage.values),
                "description": "What happens to requests while limits cannot be counted.",
            },
        }
    )


def _sign_in_policy() -> dict[str, Any]:
    def bound(least: int, most: int, description: str) -> dict[str, Any]:
        return {"type": ["integer", "null"], "minimum": least, "maximum": most, "description": description}

    return _map(
        {
            "sso_required": {"enum": list(SsoRequired.values), "description": "Who comes by single sign-on only."},
            "break_glass": {
                "anyOf": [_text(EMAIL, 254), {"type": "null"}],
                "description": "The owner who comes in by password when the identity provider fails.",
            },
            "second_factor_required": {"type": "boolean", "description": "true: every member signs in in two steps."},
            "sso_as_second_factor": {
                "enum": list(SsoAsSecondFactor.values),
                "description": "Whether single sign-on counts as two steps.",
            },
            "session_hours": bound(1, MOST_SESSION_HOURS, "The longest session; null: as the installation says."),
            "idle_minutes": bound(5, MOST_IDLE_MINUTES, "The longest pause; null: any."),
            "concurrent_sessions": bound(1, MOST_SESSIONS, "Sessions of a person at a time; null: any number."),
            "allowed_networks": {
                "type": "array",
                "items": {"type": "string"},
                "uniqueItems": True,
                "description": "From where people enter: addresses or CIDR ranges; empty: from everywhere.",
            },
            "exceptions": {
                "type": "object",
                "description": "Members who go on without single sign-on, by e-mail address: why.",
                "propertyNames": {"pattern": EMAIL, "maxLength": 254},
                "additionalProperties": _text(NAME, _length(SignInException, "reason")),
            },
        }
    )


def _sink() -> dict[str, Any]:
    def several(values: dict[str, Any], description: str) -> dict[str, Any]:
        return {"type": "object", "description": description, "additionalProperties": values}

    def number(least: int, most: int) -> dict[str, Any]:
        return {"type": "integer", "minimum": least, "maximum": most}

    kinds = sorted(kind for kind, each in DESTINATIONS.items() if not each.for_operators)
    return _map(
        {
            "kind": {"enum": kinds, "description": "The destination; it never changes."},
            "options": several({"type": ["string", "integer", "boolean"]}, "What the destination is told."),
            "secrets": several({"$ref": "#/$defs/secret"}, "The same, of what is secret."),
            "format": {"enum": list(RecordFormat.values)},
            "query": _text("", _length(Sink, "query"), "Only events that match; empty: every event."),
            "sent_fields": {
                "type": ["array", "null"],
                "items": {"enum": list(LABELS)},
                "uniqueItems": True,
                "description": "The fields that are sent besides what every record has; null: all of them.",
            },
            "has_proofs": {"type": "boolean", "description": "true: each record carries what proves the copy."},
            "sends_checkpoints": {"type": "boolean", "description": "true: checkpoints come as records of their own."},
            "batch_events": number(1, LARGEST_BATCH_EVENTS),
            "batch_bytes": number(SMALLEST_BATCH_BYTES, 100_000_000),
            "batch_seconds": number(0, LONGEST_BATCH_SECONDS),
            "from_beginning": {"type": "boolean", "description": "true: a new sink receives what is in the log."},
            "active": {"type": "boolean", "description": "false: it is paused."},
        },
        required=["kind"],
    )


def _provider_credential() -> dict[str, Any]:
    scalar = {"type": ["string", "integer"]}
    return _map(
        {
            "name": _text(
                NAME, _length(ProviderCredential, "name"), "What people read; the entry's own when left out."
            ),
            "project": {"type": "string", "description": "By its identifier; left out: of every project."},
            "provider": {"enum": list(Provider.values), "description": "Whose models; it never changes."},
            "kind": {"enum": list(CredentialKind.values), "description": "Where the secret comes from."},
            "secret": {"$ref": "#/$defs/secret"},
            "base_url": _text("", _length(ProviderCredential, "base_url"), "Where the provider's API is."),
            "options": {"type": "object", "description": "What it is told besides.", "additionalProperties": scalar},
            "allowed_models": {
                "type": "array",
                "items": {"type": "string", "maxLength": 120},
                "maxItems": MOST_MODELS,
                "description": "Names or patterns; empty: every model.",
            },
            "priority": {"type": "integer", "minimum": 0, "maximum": LOWEST_PRIORITY},
            "enabled": {"type": "boolean", "description": "false: no request leaves with it."},
        },
        required=["provider"],
    )


def _user() -> dict[str, Any]:
    return _map(
        {
            "name": _text("", _length(User, "name")),
            "password": {"$ref": "#/$defs/secret"},
        }
    )


def _secret() -> dict[str, Any]:
    return {
        **_map(
            {
                "env": _text("^(?!gatesk_)[A-Za-z_][A-Za-z0-9_]*$", 200, "The environment variable that holds it."),
                "file": _text(NAME, 4_096, "The file that holds it; relative to the blueprint."),
            }
        ),
        "minProperties": 1,
        "maxProperties": 1,
        "description": "A secret by reference, never itself.",
    }


def _map(properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": required} if required else {})


def _named(pattern: str, definition: str, description: str, *, longest: int = 254) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": pattern, "maxLength": longest},
        "additionalProperties": {"$ref": f"#/$defs/{definition}"},
    }


def _text(pattern: str, longest: int, description: str = "") -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": longest}
    if pattern:
        schema["pattern"] = pattern
    return schema | ({"description": description} if description else {})


def _length(model: Any, field: str) -> int:
    return int(model._meta.get_field(field).max_length)
