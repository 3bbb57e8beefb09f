"""Invitations by e-mail."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from tenants.mails import send_invitation
from tenants.models import Invitation
from tenants.permissions import P
from tenants.services.invitations import invite_member, resend_invitation, revoke_invitation

from .common import REASON, AddressField, reason_of
from .serializers import (
    MEMBER_EXAMPLE,
    ROLE_EXAMPLE,
    PersonAnswer,
    ProjectName,
    RoleName,
    project_field,
    role_field,
)

TAG = "Invitations"
STATES = ("pending", "accepted", "revoked", "expired")


class InvitationAnswer(Answer):
    """An invitation; its link is in the mail only."""

    id = serializers.UUIDField()
    email = serializers.EmailField()
    state = serializers.ChoiceField(choices=STATES)
    role = RoleName()
    project = serializers.SerializerMethodField(help_text="Where they get another role, if you see it.")
    project_role = RoleName(allow_null=True)
    invited_by = PersonAnswer(allow_null=True, help_text="The person; null when a key invited.")
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()

    @extend_schema_field(ProjectName(allow_null=True))
    def get_project(self, invitation: Invitation) -> Any:
        """Return the project, when the actor may know of it."""
        project = invitation.project
        if project is None or not self.context["view"].actor.can(P.PROJECTS_READ, project):
            return None
        return ProjectName(project).data


class NewInvitation(Body):
    """Whom to invite, and as what."""

    email = serializers.EmailField(max_length=254)
    role = role_field(required=False, help_text="Left out: the organization's default role.")
    project = project_field(required=False, help_text="Optionally, a project in which the person gets another role.")
    project_role = role_field(required=False, help_text="That role.")


EXAMPLE = {
    "id": "1b2c3d4e-5f60-4718-9a2b-3c4d5e6f7081",
    "email": "grace@acme.example",
    "state": "pending",
    "role": ROLE_EXAMPLE,
    "project": None,
    "project_role": None,
    "invited_by": MEMBER_EXAMPLE["user"],
    "created_at": "2026-01-05T09:00:00Z",
    "sent_at": "2026-01-05T09:00:00Z",
    "expires_at": "2026-01-12T09:00:00Z",
}


class Invitations(OrganizationView):
    """The invitations of an organization."""

    tag = TAG

    @listing(
        "listInvitations",
        "List the invitations",
        permission=P.MEMBERS_READ,
        response=InvitationAnswer,
        filters={
            "email": Filter(AddressField(help_text="To exactly this address."), "email"),
            "state": Filter(serializers.ChoiceField(choices=STATES, help_text="In this state.")),
        },
        ordering={"created_at": "created_at", "email": "email"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Accepted, revoked and expired ones are listed too."""
        rows = _invitations()
        return rows.filter(_in_state(self.query["state"])) if "state" in self.query else rows

    @operation(
        "createInvitation",
        "Invite somebody by e-mail",
        permission=P.MEMBERS_INVITE,
        request=NewInvitation,
        response=InvitationAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
        request_example={"email": "grace@acme.example", "role": ROLE_EXAMPLE["key"]},
    )
    def post(self) -> Invitation:
        """The mail leaves when the request has succeeded. Nobody invites above their own role."""
        data = {"role": None, **self.data}
        sent = invite_member(organization=self.organization, actor=self.actor, **data)
        send_invitation(sent, request=self.request)
        return sent.invitation


class OneInvitation(OrganizationView):
    """One invitation."""

    tag = TAG

    @operation(
        "getInvitation",
        "Return an invitation",
        permission=P.MEMBERS_READ,
        response=InvitationAnswer,
        example=EXAMPLE,
    )
    def get(self, invitation: UUID) -> Invitation:
        """Its link is in the mail only."""
        found: Invitation = self.find(_invitations(), pk=invitation)
        return found

    @operation("revokeInvitation", "Revoke an invitation", permission=P.MEMBERS_INVITE, filters=REASON, status=204)
    def delete(self, invitation: UUID) -> None:
        """Its link stops working; it stays listed as revoked."""
        stored = self.locked(_invitations(), pk=invitation)
        revoke_invitation(invitation=stored, actor=self.actor, reason=reason_of(self))


class InvitationResend(OrganizationView):
    """Sending an invitation again."""

    tag = TAG

    @operation(
        "resendInvitation",
        "Send an invitation again, with a new link",
        permission=P.MEMBERS_INVITE,
        response=InvitationAnswer,
        example=EXAMPLE,
    )
    def post(self, invitation: UUID) -> Invitation:
        """The old link stops working; the seven days begin anew."""
        sent = resend_invitation(invitation=self.find(_invitations(), pk=invitation), actor=self.actor)
        send_invitation(sent, request=self.request)
        return sent.invitation


def _invitations() -> Any:
    return Invitation.objects.select_related("role", "project", "project_role", "invited_by")


def _in_state(state: str) -> Q:
    now = timezone.now()
    still_open = Q(accepted_at=None, revoked_at=None)
    return {
        "pending": still_open & Q(expires_at__gt=now),
        "expired": still_open & Q(expires_at__lte=now),
        "accepted": Q(accepted_at__isnull=False),
        "revoked": Q(accepted_at=None, revoked_at__isnull=False),
    }[state]
