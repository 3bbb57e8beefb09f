"""``manage.py sso_connection``: connections for single sign-on; JSON on standard output."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts.management.key_options import as_json
from accounts.management.organizations import named_organization
from accounts.management.sso_answers import shown_connection, shown_connections, shown_keys
from accounts.management.sso_surroundings import VERBS, named_connection
from accounts.models import (
    Joining,
    SamlKey,
    ScimConnection,
    SsoConnection,
    SsoGroupMapping,
    SsoLogin,
    SsoProtocol,
    SsoProvider,
)
from accounts.services.saml_keys import add_saml_key, remove_saml_key, use_saml_key
from accounts.services.sso_connections import (
    create_saml_connection,
    create_sso_connection,
    delete_sso_connection,
    refresh_sso_connection,
    set_sso_enabled,
    update_sso_connection,
)
from accounts.services.sso_groups import add_group_mapping, remove_group_mapping
from accounts.services.sso_owners import end_owners
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from tenants.models import Group, Organization, Role
from vault.exceptions import VaultError

LOGINS_SHOWN = 50
_VALUES = (
    "issuer",
    "client_id",
    "provider",
    "joining",
    "email_claim",
    "name_claim",
    "external_id_claim",
    "groups_claim",
    "scopes",
    "ends_at_provider",
    "metadata_url",
    "subject_attribute",
    "signs_requests",
    "allows_idp_initiated",
)


class Command(ScopedCommand):
    """Connects identity providers as the system."""

    help = (
        "Connect OpenID and SAML providers; change, list, switch and delete connections; their groups, our keys, "
        "people and recent sign-ins; domains, links for somebody else, and who has to come by it. Prints JSON."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        told = {
            "create": "Connect a provider; it is off unless --enable says otherwise.",
            "update": "Change what is named; the rest stays.",
            "list": "List an organization's connections.",
            "enable": "Let people sign in through a connection.",
            "disable": "Let nobody in through a connection; sessions that it opened end.",
            "delete": "Delete a connection with its identities; members stay.",
            "refresh": "Ask a connection's provider again what it says of itself.",
            "logins": "Show a connection's recent sign-ins, the newest first, with the reason of each refusal.",
            "follow": "Let a group follow a value of the groups claim.",
            "unfollow": "Let a group follow a value no more; who is in it stays.",
            "end-owners": "Let the provider make nobody an owner any more; only an owner allows it, in the console.",
            "keys": "Show our keys of a SAML connection.",
            "add-key": "Make a second key, which decrypts at once; give its certificate to the provider.",
            "use-key": "Let the key sign that did not.",
            "remove-key": "Remove the key that does not sign.",
        }
        for name, text in told.items():
            verb = verbs.add_parser(name, help=text)
            verb.add_argument("--organization", required=True, metavar="SLUG")
            if name != "list":
                verb.add_argument("--name", required=True, help="Of the connection.")
            if name in {"follow", "unfollow"}:
                verb.add_argument("--value", required=True, help="Of the claim, letter by letter.")
                verb.add_argument("--group", required=True, metavar="NAME", help="A group that people manage by hand.")
            if name == "logins":
                verb.add_argument("--refused", action="store_true", help="Refusals only.")
            if name in {"create", "update"}:
                self._add_values(verb)
            if name == "create":
                verb.add_argument("--protocol", choices=SsoProtocol.values, default=SsoProtocol.OIDC.value)
                verb.add_argument("--enable", action="store_true", help="Let people sign in at once.")
        for name, other in VERBS.items():
            verb = verbs.add_parser(name, help=other.help)
            verb.add_argument("--organization", required=True, metavar="SLUG")
            other.arguments(verb)

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        try:
            with named_organization(options["organization"]) as organization:
                if other := VERBS.get(options["verb"]):
                    return as_json(other.run(organization, actor, options))
                verb = getattr(self, f"_{options['verb'].replace('-', '_')}")
                return as_json(verb(organization, actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    @staticmethod
    def _add_values(verb: CommandParser) -> None:
        verb.add_argument("--issuer", metavar="URL", help="OpenID: exactly as the provider calls itself.")
        verb.add_argument("--client-id", help="OpenID: of the client at the provider.")
        verb.add_argument("--metadata-url", metavar="URL", help="SAML: where the provider's metadata stand.")
        verb.add_argument("--metadata-file", type=Path, metavar="FILE", help="SAML: the metadata, without an address.")
        verb.add_argument("--subject-attribute", help="SAML: which attribute says who somebody is; else the NameID.")
        yes_or_no = argparse.BooleanOptionalAction
        verb.add_argument("--signs-requests", action=yes_or_no, help="SAML: sign the requests to sign in.")
        verb.add_argument(
            "--allows-idp-initiated", action=yes_or_no, help="SAML: take sign-ins that begin at the provider."
        )
        verb.add_argument(
            "--client-secret-file", type=Path, metavar="FILE", help="Holds the client's secret; not among arguments."
        )
        verb.add_argument("--provider", choices=SsoProvider.values, help="Whose instructions the page shows.")
        verb.add_argument("--joining", choices=Joining.values, help="Who becomes a member by signing in.")
        verb.add_argument("--role", metavar="KEY", help="What people become who join by signing in.")
        for claim in ("email", "name", "external-id", "groups"):
            verb.add_argument(f"--{claim}-claim", metavar="CLAIM")
        verb.add_argument(
            "--domains",
            help="Whose addresses lead here and count here, separated by spaces; empty: each verified domain's.",
        )
        verb.add_argument("--scopes", help="What is asked of the provider, separated by spaces.")
        verb.add_argument(
            "--scim-connection", metavar="NAME", help="The SCIM connection of the same directory; an empty name: none."
        )
        verb.add_argument(
            "--ends-at-provider",
            action=yes_or_no,
            help="Whether who signs out here is led on to sign out at the provider.",
        )

    def _create(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        shared = {"organization": organization, "name": options["name"], "actor": actor, **_values(options)}
        if options["protocol"] == SsoProtocol.SAML:
            connection = create_saml_connection(metadata_xml=_read(options["metadata_file"]) or "", **shared)
        else:
            if missing := [name for name in ("issuer", "client_id") if not options[name]]:
                raise CommandError(f"OpenID Connect needs --{missing[0].replace('_', '-')}.")
            connection = create_sso_connection(client_secret=_secret(options) or "", **shared)
        if options["enable"]:
            connection = set_sso_enabled(connection=connection, enabled=True, actor=actor)
        return shown_connection(connection)

    def _update(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        connection = named_connection(options["name"])
        return shown_connection(
            update_sso_connection(
                connection=connection,
                client_secret=_secret(options),
                metadata_xml=_read(options["metadata_file"]) or "",
                actor=actor,
                **_values(options),
            )
        )

    def _list(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = SsoConnection.objects.select_related("role", "scim_connection", "organization")
        return shown_connections(rows.order_by("name", "pk"))

    def _enable(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return shown_connection(
            set_sso_enabled(connection=named_connection(options["name"]), enabled=True, actor=actor)
        )

    def _disable(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return shown_connection(
            set_sso_enabled(connection=named_connection(options["name"]), enabled=False, actor=actor)
        )

    def _delete(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        connection = named_connection(options["name"])
        shown = shown_connection(connection)
        delete_sso_connection(connection=connection, actor=actor)
        return shown

    def _refresh(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        refresh_sso_connection(connection=named_connection(options["name"]))
        return shown_connection(named_connection(options["name"]))

    def _logins(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        logins = SsoLogin.objects.filter(connection=named_connection(options["name"]))
        if options["refused"]:
            logins = logins.filter(succeeded=False)
        fields = ("time", "succeeded", "is_test", "subject", "email", "reason", "checks", "claims", "ip")
        return list(logins.order_by("-time", "-pk").values(*fields)[:LOGINS_SHOWN])

    def _follow(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        connection = named_connection(options["name"])
        add_group_mapping(connection=connection, value=options["value"], group=_group(options["group"]), actor=actor)
        return shown_connection(connection)

    def _unfollow(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        connection = named_connection(options["name"])
        rows = SsoGroupMapping.objects.filter(connection=connection, value=options["value"].strip())
        mapping = rows.filter(group=_group(options["group"])).first()
        if mapping is None:
            raise CommandError(f"The group {options['group']} does not follow {options['value']}.")
        remove_group_mapping(mapping=mapping, actor=actor)
        return shown_connection(connection)

    def _end_owners(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        return shown_connection(end_owners(connection=named_connection(options["name"]), actor=actor))

    def _keys(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        return shown_keys(named_connection(options["name"]))

    def _add_key(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        connection = named_connection(options["name"])
        add_saml_key(connection=connection, actor=actor)
        return shown_keys(connection)

    def _use_key(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        connection = named_connection(options["name"])
        use_saml_key(key=_other_key(connection), actor=actor)
        return shown_keys(connection)

    def _remove_key(self, organization: Organization, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        connection = named_connection(options["name"])
        remove_saml_key(key=_other_key(connection), actor=actor)
        return shown_keys(connection)


def _group(name: str) -> Group:
    """Return the group of this name, in any case of letters.

    Raises:
        CommandError: there is none.
    """
    found: Group | None = Group.objects.filter(name__iexact=name.strip()).first()
    if found is None:
        raise CommandError(f"There is no group {name}.")
    return found


def _other_key(connection: SsoConnection) -> SamlKey:
    """Return the key that does not sign.

    Raises:
        CommandError: there is none.
    """
    found: SamlKey | None = SamlKey.objects.filter(connection=connection, is_signing=False).first()
    if found is None:
        raise CommandError(f"{connection} has no second key. Add one first.")
    return found


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """Return what the command line names.

    Raises:
        CommandError: there is no such role or SCIM connection.
    """
    values = {name: options[name] for name in _VALUES if options[name] is not None}
    if (key := options["role"]) is not None:
        role = Role.objects.filter(key=key).first()
        if role is None:
            raise CommandError(f"There is no role {key}.")
        values["role"] = role
    if options["domains"] is not None:
        values["domains"] = options["domains"].replace(",", " ").split()
    if (name := options["scim_connection"]) is not None:
        values["scim_connection"] = _scim_connection(name) if name.strip() else None
    return values


def _scim_connection(name: str) -> ScimConnection:
    found: ScimConnection | None = ScimConnection.objects.filter(name__iexact=name.strip()).first()
    if found is None:
        raise CommandError(f"There is no SCIM connection {name}.")
    return found


def _secret(options: dict[str, Any]) -> str | None:
    """Return the client's secret from its file, None without one.

    Raises:
        CommandError: it cannot be read.
    """
    return _read(options["client_secret_file"])


def _read(path: Path | None) -> str | None:
    """Return what a file holds, None without one.

    Raises:
        CommandError: it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"The file {path} cannot be read: {error}") from error
