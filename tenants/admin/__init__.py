"""The pages of the tenant console, one module for each noun."""

from . import (
    groups,
    invitations,
    invite,
    member_projects,
    members,
    organization,
    overview,
    project_exceptions,
    projects,
    roles,
)

__all__ = [
    "groups",
    "invitations",
    "invite",
    "member_projects",
    "members",
    "organization",
    "overview",
    "project_exceptions",
    "projects",
    "roles",
]
