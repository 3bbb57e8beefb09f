"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import include, path

from . import (
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

of_project = [
    path("", projects.OneProject.as_view()),
    path("/restore", projects.ProjectRestore.as_view()),
    path("/transfer", projects.ProjectTransfer.as_view()),
    path("/roles", project_roles.ProjectRoles.as_view()),
    path("/roles/<uuid:member>", project_roles.OneProjectRole.as_view()),
    path("/exceptions", exceptions.ProjectExceptions.as_view()),
    path("/exceptions/<uuid:exception>", exceptions.OneException.as_view()),
]
of_group = [
    path("", groups.OneGroup.as_view()),
    path("/members", groups.GroupMembers.as_view()),
    path("/members/<uuid:place>", groups.OneGroupMember.as_view()),
    path("/roles", group_roles.GroupRoles.as_view()),
    path("/roles/<uuid:group_role>", group_roles.OneGroupRole.as_view()),
]
of_organization = [
    path("", organizations.OneOrganization.as_view()),
    path("/restore", organizations.OrganizationRestore.as_view()),
    path("/leave", members.Leave.as_view()),
    path("/explain", explain.Explain.as_view()),
    path("/projects", projects.Projects.as_view()),
    path("/projects/<reference:project>", include(of_project)),
    path("/members", members.Members.as_view()),
    path("/members/<uuid:member>", members.OneMember.as_view()),
    path("/invitations", invitations.Invitations.as_view()),
    path("/invitations/<uuid:invitation>", invitations.OneInvitation.as_view()),
    path("/invitations/<uuid:invitation>/resend", invitations.InvitationResend.as_view()),
    path("/groups", groups.Groups.as_view()),
    path("/groups/<uuid:group>", include(of_group)),
    path("/roles", roles.Roles.as_view()),
    path("/roles/<uuid:role>", roles.OneRole.as_view()),
]
urlpatterns = [
    path("permissions", roles.Permissions.as_view()),
    path("organizations", organizations.Organizations.as_view()),
    path("organizations/<reference:organization>", include(of_organization)),
]
