"""The verbs of ``manage.py sso_connection`` about what stands around connections: domains, people, links, policy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from accounts.models import SignInException, SignInPolicy, SsoConnection, SsoIdentity, SsoRequired, SsoSetupLink
from accounts.services.sign_in_policy import (
    add_sign_in_exception,
    remove_sign_in_exception,
    update_sign_in_policy,
)
from accounts.services.sso_connections import unlink_identity
from accounts.services.sso_setup import (
    MOST_DAYS,
    USUAL_DAYS,
    create_setup_link,
    new_setup_token,
    revoke_setup_link,
    setup_url,
)
from isolation.actor import Actor
from tenants.domain_names import ascii_domain
from tenants.models import Domain, Membership, Organization
from tenants.services.domains import claim_domain, remove_domain, verify_domain

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command.

    Attributes:
        help: what it does.
        arguments: declares what it takes besides the organization.
        run: does it; what it returns is printed as JSON.
    """

    help: str
    arguments: Callable[[CommandParser], None]
    run: Callable[[Organization, Actor, Options], Any]


def named_connection(name: str) -> SsoConnection:
    """Return the connection of this name, in any case of letters.

    Raises:
        CommandError: there is none.
    """
    rows = SsoConnection.objects.select_related("role", "scim_connection", "organization")
    found: SsoConnection | None = rows.filter(name__iexact=name.strip()).first()
    if found is None:
        raise CommandError(f"There is no connection {name}.")
    return found


# Domains ----------------------------------------------------------------------------------------------


def _domains(organization: Organization, actor: Actor, options: Options) -> list[dict[str, Any]]:
    return [_shown_domain(domain) for domain in Domain.objects.order_by("name")]


def _claim_domain(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    return _shown_domain(claim_domain(organization=organization, name=options["domain"], actor=actor))


def _verify_domain(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    return _shown_domain(verify_domain(domain=_domain(options["domain"]), actor=actor))


def _remove_domain(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    domain = _domain(options["domain"])
    shown = _shown_domain(domain)
    remove_domain(domain=domain, actor=actor)
    return shown


def _domain(name: str) -> Domain:
    """Return the organization's domain of this name, as people write it.

    Raises:
        CommandError: there is none.
    """
    try:
        found: Domain | None = Domain.objects.filter(name=ascii_domain(name.strip())).first()
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"There is no domain {name}. Claim it first.")
    return found


def _shown_domain(domain: Domain) -> dict[str, Any]:
    return {
        "name": domain.name,
        "state": domain.state,
        "record": {"type": "TXT", "name": domain.record_name, "value": domain.record_value},
        "problem": domain.problem,
        "verified_at": domain.verified_at,
    }


# People -----------------------------------------------------------------------------------------------


def _identities(organization: Organization, actor: Actor, options: Options) -> list[dict[str, Any]]:
    return [
        {
            "subject": identity.subject,
            "issuer": identity.issuer,
            "member": identity.membership.user.email,
            "last_used_at": identity.last_used_at,
        }
        for identity in _known(options["name"]).order_by("membership__user__email", "issuer")
    ]


def _forget(organization: Organization, actor: Actor, options: Options) -> list[dict[str, Any]]:
    connection = named_connection(options["name"])
    known = _known(options["name"]).filter(issuer=connection.issuer)
    identity = known.filter(membership__user__email=options["member"].strip().lower()).first()
    if identity is None:
        raise CommandError(f"{options['member']} has not signed in through {connection}.")
    unlink_identity(identity=identity, actor=actor)
    return _identities(organization, actor, options)


def _known(name: str) -> Any:
    return SsoIdentity.objects.select_related("membership__user").filter(connection=named_connection(name))


# Links for somebody who is no member ------------------------------------------------------------------


def _invite(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    issued = create_setup_link(
        organization=organization, recipient=options["recipient"], days=options["days"], actor=actor
    )
    return {**_shown_link(issued.link), "url": issued.url}


def _setup_token(organization: Organization, actor: Actor, options: Options) -> dict[str, str]:
    token = new_setup_token()
    return {"token": token, "url": setup_url(token)}


def _links(organization: Organization, actor: Actor, options: Options) -> list[dict[str, Any]]:
    rows = SsoSetupLink.objects.select_related("connection")
    return [_shown_link(link) for link in rows.order_by("-created_at", "-pk")]


def _revoke_link(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    link = SsoSetupLink.objects.select_related("connection").filter(pk=options["link"]).first()
    if link is None:
        raise CommandError(f"There is no link {options['link']}.")
    return _shown_link(revoke_setup_link(link=link, actor=actor))


def _shown_link(link: SsoSetupLink) -> dict[str, Any]:
    """Return a link as it is printed, without its address."""
    return {
        "id": link.pk,
        "recipient": link.recipient,
        "state": link.state,
        "connection": link.connection.name if link.connection else None,
        "expires_at": link.expires_at,
    }


# Who has to come by single sign-on --------------------------------------------------------------------


def _policy(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    policy = SignInPolicy.of(organization.pk)
    exceptions = SignInException.objects.select_related("membership__user").order_by("membership__user__email")
    return {
        "required_of": policy.sso_required,
        "break_glass": policy.break_glass.user.email if policy.break_glass else None,
        "exceptions": [{"member": row.membership.user.email, "reason": row.reason} for row in exceptions],
    }


def _require(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    values = {"sso_required": options["of"]}
    if options["break_glass"] is not None:
        values["break_glass"] = _member(options["break_glass"])
    update_sign_in_policy(organization=organization, actor=actor, **values)
    return _policy(organization, actor, options)


def _except(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    add_sign_in_exception(membership=_member(options["member"]), reason=options["reason"], actor=actor)
    return _policy(organization, actor, options)


def _hold(organization: Organization, actor: Actor, options: Options) -> dict[str, Any]:
    exception = SignInException.objects.filter(membership=_member(options["member"])).first()
    if exception is None:
        raise CommandError(f"{options['member']} is no exception.")
    remove_sign_in_exception(exception=exception, actor=actor)
    return _policy(organization, actor, options)


def _member(email: str) -> Membership:
    """Return the member with this address.

    Raises:
        CommandError: there is none.
    """
    rows = Membership.objects.select_related("user", "role")
    found: Membership | None = rows.filter(user__email=email.strip().lower()).first()
    if found is None:
        raise CommandError(f"There is no member {email}.")
    return found


# What each takes --------------------------------------------------------------------------------------


def _nothing(parser: CommandParser) -> None:
    return


def _a_domain(parser: CommandParser) -> None:
    parser.add_argument("--domain", required=True, metavar="NAME", help="As it stands in addresses.")


def _a_connection(parser: CommandParser) -> None:
    parser.add_argument("--name", required=True, help="Of the connection.")


def _a_member(parser: CommandParser) -> None:
    parser.add_argument("--member", required=True, metavar="EMAIL", help="By the address of their login.")


def _a_known_member(parser: CommandParser) -> None:
    _a_connection(parser)
    _a_member(parser)


def _an_exception(parser: CommandParser) -> None:
    _a_member(parser)
    parser.add_argument("--reason", required=True, help="It stands in the list and in the audit log.")


def _a_recipient(parser: CommandParser) -> None:
    parser.add_argument("--recipient", required=True, help="For whom, in the list and in the audit log.")
    parser.add_argument("--days", type=int, default=USUAL_DAYS, help=f"How long it counts, 1 to {MOST_DAYS}.")


def _a_link(parser: CommandParser) -> None:
    parser.add_argument("--link", required=True, type=UUID, metavar="ID", help="As `links` prints it.")


def _a_requirement(parser: CommandParser) -> None:
    parser.add_argument("--of", required=True, choices=SsoRequired.values, help="Of whom it is required.")
    parser.add_argument("--break-glass", metavar="EMAIL", help="The owner who still comes in by password.")


VERBS = {
    "domains": Verb("List the organization's domains, with the record that proves each.", _nothing, _domains),
    "claim-domain": Verb("Add a domain; the record that proves it is printed.", _a_domain, _claim_domain),
    "verify-domain": Verb("Look for a domain's record now; with it, the domain counts.", _a_domain, _verify_domain),
    "remove-domain": Verb("Remove a domain; who joined by it stays.", _a_domain, _remove_domain),
    "identities": Verb("List who has signed in through a connection.", _a_connection, _identities),
    "forget": Verb(
        "Forget by which account a member comes; the next one is recognized anew.", _a_known_member, _forget
    ),
    "invite": Verb(
        "Make a link by which somebody who is no member sets up a connection; it is printed this once.",
        _a_recipient,
        _invite,
    ),
    "setup-token": Verb("Make a token for a blueprint, and its link's address.", _nothing, _setup_token),
    "links": Verb("List such links, without their addresses.", _nothing, _links),
    "revoke-link": Verb("Let such a link open nothing any more.", _a_link, _revoke_link),
    "policy": Verb("Show who has to come by single sign-on, and who is excepted.", _nothing, _policy),
    "require": Verb("Say who has to come by single sign-on; their password sessions end.", _a_requirement, _require),
    "except": Verb("Let a member go on by password.", _an_exception, _except),
    "hold": Verb("End such an exception.", _a_member, _hold),
}
