"""``manage.py scim_token``: the tokens with which identity providers provision; JSON on standard output."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts.management.key_options import (
    WHERE_SECRETS_ARE,
    add_limit_arguments,
    as_json,
    expiry,
    named,
    predefined_secret,
)
from accounts.management.organizations import named_organization
from accounts.models import IdentityProvider, ScimConnection, ScimToken
from accounts.scim_addresses import scim_base_url, scim_token_endpoint
from accounts.services.scim_connections import create_scim_connection
from accounts.services.scim_tokens import create_scim_token, revoke_scim_token
from isolation.actor import Actor
from isolation.commands import ScopedCommand
from isolation.scope import operator_scope, tenant_scope
from vault.exceptions import VaultError

FIRST_CONNECTION = "SCIM"


class Command(ScopedCommand):
    """Makes, lists and revokes SCIM tokens as the system."""

    help = "Make, list and revoke the tokens with which identity providers provision organizations. Prints JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments of each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="Make a token; the output has it, and the address to give with it.")
        create.add_argument("--organization", required=True, metavar="SLUG")
        create.add_argument(
            "--connection",
            default=FIRST_CONNECTION,
            metavar="NAME",
            help=f"Whose token; made when there is none of this name. Without it: {FIRST_CONNECTION}.",
        )
        create.add_argument("--provider", help=f"Of a new connection: {', '.join(IdentityProvider.values)}.")
        create.add_argument("--name", help="What people read; without it, the connection's name.")
        add_limit_arguments(create)

        listing = verbs.add_parser("list", help="List an organization's tokens, the newest first.")
        listing.add_argument("--organization", required=True, metavar="SLUG")
        listing.add_argument("--connection", metavar="NAME", help="Only those of this one.")

        revoke = verbs.add_parser("revoke", help="End a token for good.")
        revoke.add_argument("token", help="Its id or public id.")
        revoke.add_argument("--organization", metavar="SLUG", help="Without it, it is looked for in all of them.")
        revoke.add_argument("--reason", default="", help="Why; it stands in the audit log.")

    def run(self, actor: Actor, **options: Any) -> str:
        """Do what the verb says; return its JSON."""
        try:
            return as_json(getattr(self, f"_{options['verb']}")(actor, options))
        except VaultError as error:
            raise CommandError(str(error)) from error

    def _create(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        expires_at, secret = expiry(options), predefined_secret(options)
        with named_organization(options["organization"]) as organization, transaction.atomic():
            connection = _connection(options["connection"]) or create_scim_connection(
                organization=organization,
                name=options["connection"],
                provider=options["provider"] or IdentityProvider.OTHER,
                actor=actor,
            )
            if options["provider"] not in {None, connection.provider}:
                raise CommandError(
                    f"The connection {connection} is of the provider {connection.provider}. Leave --provider out, or"
                    " name another --connection."
                )
            issued = create_scim_token(
                connection=connection,
                name=connection.name if options["name"] is None else options["name"],
                expires_at=expires_at,
                allowed_networks=options["network"],
                secret=secret,
                actor=actor,
            )
            self.stderr.write(WHERE_SECRETS_ARE, self.style.NOTICE)
            addresses = {"base_url": scim_base_url(), "token_endpoint": scim_token_endpoint()}
            return {**addresses, **_shown(issued.key), "token": issued.secret}

    def _list(self, actor: Actor, options: dict[str, Any]) -> list[dict[str, Any]]:
        with named_organization(options["organization"]):
            tokens = _tokens()
            if (name := options["connection"]) is not None:
                connection = _connection(name)
                if connection is None:
                    raise CommandError(f"There is no connection {name}.")
                tokens = tokens.filter(connection=connection)
            return [_shown(token) for token in tokens]

    def _revoke(self, actor: Actor, options: dict[str, Any]) -> dict[str, Any]:
        token = _find(options["token"], options["organization"])
        with tenant_scope(token.organization_id):
            revoked = revoke_scim_token(token=token, actor=actor, reason=options["reason"])
            return _shown(_tokens().get(pk=revoked.pk))


def _connection(name: str) -> ScimConnection | None:
    """Return the connection of this name, in any case of letters; names are stored without outer white space."""
    found: ScimConnection | None = ScimConnection.objects.filter(name__iexact=name.strip()).first()
    return found


def _find(name: str, slug: str | None) -> ScimToken:
    """Return the named token; without a slug it is looked for in every organization.

    Raises:
        CommandError: it does not exist.
    """
    if slug:
        with named_organization(slug):
            token = _tokens().filter(named(name)).first()
    else:
        with operator_scope("Find the SCIM token that the command line names"):
            token = _tokens().filter(named(name)).first()
    if token is None:
        raise CommandError(f"There is no SCIM token {name}.")
    found: ScimToken = token
    return found


def _tokens() -> Any:
    return ScimToken.objects.select_related("connection__organization")


def _shown(token: ScimToken) -> dict[str, Any]:
    """Return a token as it is printed, without its secret."""
    return {
        "id": token.pk,
        "public_id": token.public_id,
        "name": token.name,
        "organization": token.connection.organization.slug,
        "connection": {
            "id": token.connection_id,
            "name": token.connection.name,
            "provider": token.connection.provider,
        },
        "allowed_networks": token.allowed_networks,
        "state": token.state,
        "last_four": token.last_four,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "last_used_ip": token.last_used_ip,
        "revoked_at": token.revoked_at,
        "revocation_reason": token.revocation_reason,
    }
