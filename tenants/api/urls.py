"""The addresses of this app's endpoints, below /api/v1/."""

from collections.abc import Mapping

from django.urls import URLPattern, path

from api.views import ApiView

from . import (
    domains,
    exceptions,
    explain,
    group_roles,
    groups,
    invitations,
    members,
    organizations,
    project_roles,
    projects,
    roles,
)

_OF_PROJECT = {
    "": projects.OneProject,
    "/restore": projects.ProjectRestore,
    "/transfer": projects.ProjectTransfer,
    "/roles": project_roles.ProjectRoles,
    "/roles/<uuid:member>": project_roles.OneProjectRole,
    "/exceptions": exceptions.ProjectExceptions,
    "/exceptions/<uuid:exception>": exceptions.OneException,
}
_OF_GROUP = {
    "": groups.OneGroup,
    "/members": groups.GroupMembers,
    "/members/<uuid:place>": groups.OneGroupMember,
    "/roles": group_roles.GroupRoles,
    "/roles/<uuid:group_role>": group_roles.OneGroupRole,
}
_OF_ORGANIZATION = {
    "": organizations.OneOrganization,
    "/restore": organizations.OrganizationRestore,
    "/leave": members.Leave,
    "/explain": explain.Explain,
    "/projects": projects.Projects,
    "/members": members.Members,
    "/members/<uuid:member>": members.OneMember,
    "/invitations": invitations.Invitations,
    "/invitations/<uuid:invitation>": invitations.OneInvitation,
    "/invitations/<uuid:invitation>/resend": invitations.InvitationResend,
    "/groups": groups.Groups,
    "/domains": domains.Domains,
    "/domains/<uuid:domain>": domains.OneDomain,
    "/domains/<uuid:domain>/verify": domains.DomainVerification,
    "/roles": roles.Roles,
    "/roles/<uuid:role>": roles.OneRole,
}


def _below(address: str, endpoints: Mapping[str, type[ApiView]]) -> list[URLPattern]:
    return [path(address + rest, view.as_view()) for rest, view in endpoints.items()]


_ORGANIZATION = "organizations/<reference:organization>"
urlpatterns = [
    path("permissions", roles.Permissions.as_view()),
    path("organizations", organizations.Organizations.as_view()),
    *_below(_ORGANIZATION, _OF_ORGANIZATION),
    *_below(f"{_ORGANIZATION}/projects/<reference:project>", _OF_PROJECT),
    *_below(f"{_ORGANIZATION}/groups/<uuid:group>", _OF_GROUP),
]
