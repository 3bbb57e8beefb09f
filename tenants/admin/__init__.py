"""The pages of both consoles, one module for each noun; `operator_` ones are the operators'."""

from . import (
    domains,
    groups,
    invitations,
    invite,
    member_projects,
    members,
    operator_domains,
    operator_installation,
    operator_organizations,
    operator_overview,
    organization,
    overview,
    project_exceptions,
    projects,
    roles,
)

__all__ = [
    "domains",
    "groups",
    "invitations",
    "invite",
    "member_projects",
    "members",
    "operator_domains",
    "operator_installation",
    "operator_organizations",
    "operator_overview",
    "organization",
    "overview",
    "project_exceptions",
    "projects",
    "roles",
]
