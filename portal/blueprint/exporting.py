"""Writes organizations as a blueprint that plans empty against the same installation; never a secret."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from accounts.models import SignInPolicy
from gateway.models import LimitMetric
from gateway.pricing import PER
from gateway.services.prices import plain
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.lookups import organization_id_of
from tenants.models import Organization
from tenants.permissions import BuiltinRole

from .changes import Row, Section, Stage
from .document import VERSION, WantedOrganization
from .reader import Source
from .sections.audit_log import AuditLog
from .sections.domains import Domains
from .sections.groups import GroupMembers, GroupRoles, Groups, is_provisioned
from .sections.keys import Keys
from .sections.llm_proxy import LlmProxy
from .sections.members import Invitations, MemberProjects, Members, login_of
from .sections.projects import Projects
from .sections.provider_credentials import ProviderCredentials
from .sections.roles import Roles
from .sections.service_accounts import ServiceAccountProjects, ServiceAccounts
from .sections.settings import Settings
from .sections.sign_in_policy import Exceptions, Policy
from .sections.sinks import Sinks
from .sections.sso_connections import FollowingGroups, Metadata, SsoConnections
from .sections.usage_limits import UsageLimits


def export(slugs: Iterable[str], *, actor: Actor) -> str:
    """Return the YAML of organizations.

    Args:
        slugs: their identifiers.
        actor: the system.

    Raises:
        DomainError: there is no such organization.
    """
    organizations = {}
    for slug in dict.fromkeys(slugs):
        organization_id = organization_id_of(slug)
        if organization_id is None:
            raise DomainError(f"There is no organization {slug}.", code="unknown_organization")
        with tenant_scope(organization_id):
            organization = Organization.objects.get(pk=organization_id)
            wanted = WantedOrganization(slug, Source("", None), {})
            organizations[slug] = _organization(Stage(wanted, organization, actor, direct=True))
    document = {"version": VERSION, "organizations": organizations}
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _organization(stage: Stage) -> dict[str, Any]:
    settings = Settings(stage).current()[stage.organization.slug].values
    exported = {
        "name": settings.pop("name"),
        "settings": {name: value for name, value in settings.items() if value != ""},
        "roles": {key: _filled(row.values) for key, row in Roles(stage).current().items()},
        "projects": {
            key: {name: value for name, value in _filled(row.values).items() if value != {}}
            for key, row in Projects(stage).current().items()
            if not row.stored.is_being_deleted
        },
        "members": _members(stage),
        "groups": _groups(stage),
        "service_accounts": _service_accounts(stage),
        "keys": _keys(stage),
        "domains": _domains(stage),
        "sso_connections": _sso_connections(stage),
        "sign_in_policy": _sign_in_policy(stage),
        "sinks": _sinks(stage),
        "audit_log": _audit_log(stage),
        "llm_proxy": _llm_proxy(stage),
        "provider_credentials": _provider_credentials(stage),
        "usage_limits": _usage_limits(stage),
    }
    return {name: value for name, value in exported.items() if value}


def _members(stage: Stage) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for email, row in Members(stage).current().items():
        found[str(email)] = {"role": row.values["role"], **({} if row.values["active"] else {"active": False})}
    for (email, project), row in _pairs(MemberProjects(stage)):
        found[email].setdefault("projects", {})[project] = row.values["role"]
    for email, row in Invitations(stage).current().items():
        # Somebody who has a login by now would be made a member at once, which nobody has asked for.
        if row.stored.is_open and email not in found and not login_of(str(email)):
            offer = row.values["offer"]
            projects = {"projects": {offer.project: offer.project_role}} if offer.project else {}
            found[str(email)] = {"role": offer.role, **projects}
    return found


def _groups(stage: Stage) -> dict[str, Any]:
    """Return the groups; who is in one of an identity provider is left to that."""
    found: dict[str, dict[str, Any]] = {}
    for name, row in Groups(stage).current().items():
        provisioned = {"provisioned": True} if is_provisioned(row) else {}
        found[str(name)] = _filled(row.values) | provisioned
    for (group, project), row in _pairs(GroupRoles(stage)):
        if project:
            found[group].setdefault("projects", {})[project] = row.values["role"]
        else:
            allowed = {"allow_owner": True} if row.values["role"] == BuiltinRole.OWNER else {}
            found[group] |= {"role": row.values["role"]} | allowed
    for (group, email), _ in _pairs(GroupMembers(stage)):
        if "provisioned" not in found[group]:
            found[group].setdefault("members", []).append(email)
    return found


def _service_accounts(stage: Stage) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name, row in ServiceAccounts(stage).current().items():
        values = _filled(row.values)
        if values.pop("active") is False:
            values["active"] = False
        found[str(name)] = values
    for (name, project), row in _pairs(ServiceAccountProjects(stage)):
        found[name].setdefault("projects", {})[project] = row.values["role"]
    return found


def _keys(stage: Stage) -> dict[str, Any]:
    """Return the keys with their public ids, which tell those of one name apart."""
    found: dict[str, dict[str, Any]] = {}
    for public_id, row in Keys(stage).current().items():
        values = {name: value for name, value in _filled(row.values).items() if value is not None and value != []}
        if ends := values.get("expires_at"):
            values["expires_at"] = ends.isoformat()
        name = values.pop("name")
        label = name if name not in found else f"{name} {public_id}"
        found[label] = {**({"name": name} if label != name else {}), **values, "public_id": public_id}
    return found


def _domains(stage: Stage) -> dict[str, Any]:
    return {
        str(name): {field: value for field, value in row.values.items() if value}
        | ({"verified": True} if row.stored.is_verified and row.stored.is_checked else {})
        for name, row in Domains(stage).current().items()
    }


def _sso_connections(stage: Stage) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name, row in SsoConnections(stage).current().items():
        values = {field: value for field, value in _filled(row.values).items() if value not in (None, [])}
        if values["ends_at_provider"]:  # as it is when the file is silent
            del values["ends_at_provider"]
        found[str(name)] = values
    for row in FollowingGroups(stage).current().values():
        mapping = row.stored
        groups = found[mapping.connection.name].setdefault("groups", {})
        groups.setdefault(mapping.value, []).append(mapping.group.name)
    return found


def _audit_log(stage: Stage) -> dict[str, Any]:
    """Return what the organization chose, nothing where the installation's default counts."""
    (row,) = AuditLog(stage).current().values()
    return dict(row.values) if row.stored.chosen or row.stored.next_at else {}


def _llm_proxy(stage: Stage) -> dict[str, Any]:
    """Return what the organization chose, nothing where it has the installation's defaults."""
    (row,) = LlmProxy(stage).current().values()
    return {} if row.stored._state.adding else dict(row.values)


def _sign_in_policy(stage: Stage) -> dict[str, Any]:
    """Return what the policy asks, nothing where it asks nothing."""
    stored, (row,) = SignInPolicy(), Policy(stage).current().values()
    asked = {name: value for name, value in row.values.items() if value != getattr(stored, name)}
    exceptions = {str(email): row.values["reason"] for email, row in Exceptions(stage).current().items()}
    return asked | ({"exceptions": exceptions} if exceptions else {})


def _sinks(stage: Stage) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for name, row in Sinks(stage).current().items():
        values = _filled(row.values)
        if values["sent_fields"] is None:  # as it is when the file is silent
            del values["sent_fields"]
        if values["active"]:  # the same
            del values["active"]
        found[str(name)] = values
    return found


def _provider_credentials(stage: Stage) -> dict[str, Any]:
    """Return the credentials without their secrets; those of one name are told apart by their projects."""
    found: dict[str, dict[str, Any]] = {}
    for (project, name), row in _pairs(ProviderCredentials(stage)):
        values = {field: value for field, value in _filled(row.values).items() if value not in ({}, [])}
        if values["enabled"]:  # as it is when the file is silent
            del values["enabled"]
        label = name if name.lower() not in {each.lower() for each in found} else f"{name} ({project})"
        own_name = {"name": name} if label != name else {}
        found[label] = {**own_name, **({"project": project} if project else {}), **values}
    return found


def _usage_limits(stage: Stage) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for key, row in UsageLimits(stage).current().items():
        amount: int | str = row.values["amount"]
        if row.stored.metric == LimitMetric.COST:
            amount = row.values["amount"] // PER if row.values["amount"] % PER == 0 else plain(row.values["amount"])
        found[str(key)] = {"amount": amount, **({} if row.values["active"] else {"active": False})}
    return found


def _pairs(section: Section) -> Iterator[tuple[tuple[str, str], Row]]:
    for key, row in section.current().items():
        yield (key[0], key[1]), row


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values without empty texts, which are what an entry has when the file is silent."""
    return {name: value for name, value in values.items() if value != ""}


def _in_lines(dumper: yaml.SafeDumper, metadata: Metadata) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", metadata.text, style="|")


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, and repeats what stands twice: an alias reads badly."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's


_Dumper.add_representer(Metadata, _in_lines)
