"""Which domains are an organization's: claimed by anybody, proven by a TXT record or by an operator's word."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from audit.redaction import snapshot
from isolation.actor import SYSTEM, Actor
from isolation.exceptions import DomainError
from isolation.scope import on_scope_exit, tenant_scope
from tenants import signals
from tenants.dns_records import Finding, Outcome, look_up
from tenants.domain_mails import send_domain_failing, send_domain_lost
from tenants.domain_names import ascii_domain
from tenants.models import Domain, DomainMethod, Organization
from tenants.permissions import P
from tenants.public_domains import is_public_mail_domain, is_public_suffix

from .rules import lock_organization, one_of_a_kind, operators_only, own_row

MOST_DOMAINS = 100
GRACE = timedelta(days=7)
"""How long a verified domain keeps counting while its record is missing."""
_LONGEST_REASON = 400


@transaction.atomic
def claim_domain(*, organization: Organization, name: str, actor: Actor) -> Domain:
    """Add a domain that is still to be verified; others may claim the same one.

    Args:
        organization: whose it is said to be.
        name: as people write it; exactly this domain, its subdomains are others.
        actor: who says so.

    Raises:
        MissingPermission: without ``domains:manage``.
        DomainError: the name is refused or there already, or there are too many.
    """
    actor.require(P.DOMAINS_MANAGE, organization)
    name = check_domain_name(name)
    domain = _new(organization, name)
    with one_of_a_kind(Domain, field="name"):
        domain.save(force_insert=True)
    signals.domain_claimed.announce(domain, actor=actor, after=snapshot(domain))
    return domain


def verify_domain(*, domain: Domain, actor: Actor) -> Domain:
    """Look for the domain's TXT record now; with it, the domain is verified.

    A verified domain whose record is missing stays verified here: the daily check (`recheck_domain`) takes that back.

    Returns:
        the domain, verified. One that an operator confirmed is returned as it is.

    Raises:
        MissingPermission: without ``domains:manage``.
        DomainError: the record is missing (``record_missing``), the name servers do not answer (``lookup_failed``), or
            another organization has the domain verified (``duplicate``).
    """
    actor.require(P.DOMAINS_MANAGE, domain)
    return prove_domain(domain=domain, actor=actor)


def prove_domain(*, domain: Domain, actor: Actor) -> Domain:
    """Look for the TXT record of a claimed domain on behalf of anybody: it is the record that proves something.

    Returns:
        as `verify_domain`.

    Raises:
        DomainError: as `verify_domain`.
    """
    stored: Domain = own_row(Domain, domain.pk, lock=False)
    if not stored.is_checked:
        return stored
    finding = _look_up(stored)
    if finding.outcome is Outcome.FOUND:
        return _verified(stored, actor)
    # The refusal rolls the caller's transaction back, and this is what happened all the same.
    on_scope_exit(lambda: _note(stored, finding))
    code = "record_missing" if finding.outcome is Outcome.MISSING else "lookup_failed"
    raise DomainError(finding.text, code=code)


def record_of(domain: Domain) -> Finding:
    """Return whether the domain's TXT record is there now; nothing is changed."""
    return _look_up(domain)


@transaction.atomic
def confirm_domain(*, organization: Organization, name: str, reason: str, actor: Actor) -> Domain:
    """Make a domain verified on an operator's word; no record is looked for, now or later.

    Args:
        organization: whose it is.
        name: the domain, claimed before or not.
        reason: how the operator knows; it is recorded and the organization reads it.
        actor: an operator, or the system at the command line.

    Raises:
        DomainError: not an operator, no reason, the name is refused, or another organization has it verified.
    """
    operators_only(actor)
    reason = _checked_reason(reason, "Say how you know that the domain is theirs: it is recorded.")
    name = check_domain_name(name)
    lock_organization(organization.pk)
    stored: Domain | None = Domain.objects.select_for_update(of=("self",)).filter(name=name).first()
    before = snapshot(stored) if stored else None
    domain = stored or _new(organization, name)
    domain.verified_at = domain.verified_at or timezone.now()
    domain.method, domain.reason = DomainMethod.OPERATOR, reason
    domain.failing_since, domain.lost_at, domain.problem = None, None, ""
    with one_of_a_kind(Domain, field="name"):
        domain.save(force_insert=stored is None)
    signals.domain_verified.announce(domain, actor=actor, before=before, after=snapshot(domain), reason=reason)
    return domain


@transaction.atomic
def withdraw_domain(*, domain: Domain, reason: str, actor: Actor) -> Domain:
    """Take a verification back: the claim stays and can be verified again. Operators only; the owners hear of it.

    Raises:
        DomainError: not an operator, no reason, or the domain is not verified.
    """
    operators_only(actor)
    reason = _checked_reason(reason, "Say why: the organization's owners will read it.")
    stored: Domain = own_row(Domain, domain.pk)
    if not stored.is_verified:
        raise DomainError(f"{stored} is not verified.", code="not_verified")
    _lose(stored, actor, reason=reason)
    send_domain_lost(stored, reason=reason)
    return stored


@transaction.atomic
def remove_domain(*, domain: Domain, actor: Actor) -> None:
    """Remove a domain; what was done because it was verified stays done.

    Raises:
        MissingPermission: without ``domains:manage``.
        DomainError: it is gone already.
    """
    actor.require(P.DOMAINS_MANAGE, domain)
    stored: Domain = own_row(Domain, domain.pk)
    signals.domain_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def recheck_domain(*, domain: Domain) -> Domain:
    """Look again for the record of a verified domain, as the system; the organization's scope must be open.

    Found: a failing domain has recovered. Missing: it fails from now on, the owners hear of it, and after `GRACE` it is
    lost. Name servers that do not answer change nothing. Nor does anything happen to a domain that is not verified, or
    that an operator confirmed.

    Returns:
        the domain as it is now.

    Raises:
        DomainError: it is gone (``gone``).
    """
    if not (domain.is_verified and domain.is_checked):
        return domain
    finding = _look_up(domain)
    stored: Domain = own_row(Domain, domain.pk)
    if not (stored.is_verified and stored.is_checked):  # somebody changed it while DNS was asked
        return stored
    if finding.outcome is Outcome.MISSING:
        _missing(stored, finding)
    elif finding.outcome is Outcome.FOUND and stored.failing_since:
        _found(stored, SYSTEM)
    else:
        _note(stored, finding)
    return stored


def check_domain_name(name: str) -> str:
    """Return a domain name in the spelling that is stored, when an organization can have it for itself.

    Raises:
        DomainError: on the field ``name``: it is no domain, or one that belongs to everybody.
    """
    written = name.strip().removesuffix(".")
    if not written:
        raise DomainError("Name a domain, such as example.com.", field="name", code="required")
    if "@" in written or "/" in written:
        raise DomainError(
            "Give the domain alone, such as example.com: no address and no link.", field="name", code="invalid"
        )
    try:
        found = ascii_domain(written)
    except ValueError as error:
        raise DomainError(
            f"This is not a domain name: {error}. Write it like example.com.", field="name", code="invalid"
        ) from error
    last = found.rpartition(".")[2]
    if last.isdigit():
        raise DomainError("An IP address is not a domain. Write a name like example.com.", field="name", code="invalid")
    if "." not in found:
        raise DomainError(
            f"“{found}” is a single word; a domain has a dot, such as example.com.", field="name", code="invalid"
        )
    if is_public_suffix(found):
        raise DomainError(
            f"{found} is a public suffix: everybody registers names under it. Name your own domain below it.",
            field="name",
            code="public_suffix",
        )
    if is_public_mail_domain(found):
        raise DomainError(
            f"{found} is a public mail service: everybody can have an address there, so it is nobody's own.",
            field="name",
            code="public_mail_domain",
        )
    return found


def _new(organization: Organization, name: str) -> Domain:
    """Return an unsaved claim; the lock makes the limit exact."""
    lock_organization(organization.pk)
    if Domain.objects.count() >= MOST_DOMAINS:
        raise DomainError(
            f"An organization has {MOST_DOMAINS} domains at most. Remove one that you do not need.",
            field="name",
            code="too_many",
        )
    return Domain(organization=organization, name=name, token=secrets.token_hex(20))


def _checked_reason(reason: str, missing: str) -> str:
    reason = reason.strip()
    if not reason:
        raise DomainError(missing, field="reason", code="reason_missing")
    if len(reason) > _LONGEST_REASON:
        raise DomainError(f"Use {_LONGEST_REASON} characters at most.", field="reason", code="too_long")
    return reason


def _look_up(domain: Domain) -> Finding:
    return look_up(record_name=domain.record_name, domain=domain.name, value=domain.record_value)


@transaction.atomic
def _verified(domain: Domain, actor: Actor) -> Domain:
    stored: Domain = own_row(Domain, domain.pk)
    if stored.is_verified and not stored.failing_since:
        _note(stored, Finding(Outcome.FOUND))
    elif stored.is_verified:
        _found(stored, actor)
    else:
        before = snapshot(stored)
        stored.verified_at = stored.checked_at = timezone.now()
        stored.method, stored.problem, stored.reason = DomainMethod.DNS, "", ""
        stored.lost_at = None
        with one_of_a_kind(Domain):
            stored.save()
        signals.domain_verified.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


def _found(domain: Domain, actor: Actor) -> None:
    """Note that a failing domain's record is there again."""
    before = snapshot(domain)
    domain.failing_since, domain.problem, domain.checked_at = None, "", timezone.now()
    domain.save()
    signals.domain_recovered.announce(domain, actor=actor, before=before, after=snapshot(domain))


def _missing(domain: Domain, finding: Finding) -> None:
    """Let a verified domain fail, or lose it when it has failed for too long."""
    now = timezone.now()
    domain.problem, domain.checked_at = finding.text, now
    if domain.failing_since is None:
        before = snapshot(domain)
        domain.failing_since = now
        domain.save()
        signals.domain_failing.announce(domain, actor=SYSTEM, before=before, after=snapshot(domain))
        send_domain_failing(domain, days=GRACE.days)
    elif now - domain.failing_since >= GRACE:
        _lose(domain, SYSTEM, reason=f"Its record was missing for {GRACE.days} days")
        send_domain_lost(domain)
    else:
        _note(domain, finding)


def _lose(domain: Domain, actor: Actor, *, reason: str) -> None:
    before = snapshot(domain)
    domain.verified_at, domain.failing_since, domain.method, domain.reason = None, None, "", ""
    domain.lost_at = timezone.now()
    domain.save()
    signals.domain_lost.announce(domain, actor=actor, before=before, after=snapshot(domain), reason=reason)


def _note(domain: Domain, finding: Finding) -> None:
    """Keep what a check found: no change of the domain, so no event. It may be gone by now."""
    domain.checked_at, domain.problem = timezone.now(), finding.text
    with tenant_scope(domain.organization_id):
        Domain.objects.filter(pk=domain.pk).update(checked_at=domain.checked_at, problem=domain.problem)
