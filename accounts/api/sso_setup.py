"""Links by which somebody who is no member sets up a single sign-on connection."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import SsoSetupLink
from accounts.models.sso_setup import LONGEST_RECIPIENT
from accounts.services.sso_setup import MOST_DAYS, USUAL_DAYS, IssuedSetupLink, create_setup_link, revoke_setup_link
from api.operation import listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from tenants.permissions import P

from .sso import TAG

STATES = ("open", "finished", "revoked", "expired")


class SetupLinkAnswer(Answer):
    """A set-up link, without its address."""

    id = serializers.UUIDField()
    recipient = serializers.CharField(help_text="For whom it was made.")
    state = serializers.ChoiceField(choices=STATES)
    connection = serializers.UUIDField(source="connection_id", allow_null=True, help_text="What was set up by it.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class IssuedSetupLinkAnswer(SetupLinkAnswer):
    """A set-up link together with its address, which is shown this once."""

    url = serializers.CharField(help_text="Hand it over yourself; whoever has it can set up the connection.")

    def to_representation(self, instance: IssuedSetupLink) -> Any:
        """Return the link with its address as the last member."""
        return {**SetupLinkAnswer(instance.link, context=self.context).data, "url": instance.url}


class NewSetupLink(Body):
    """What a new link needs."""

    recipient = serializers.CharField(
        max_length=LONGEST_RECIPIENT, help_text="An e-mail address or a name. Nothing is sent there."
    )
    days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, required=False, help_text=f"How long it counts; without it: {USUAL_DAYS}."
    )


EXAMPLE: dict[str, Any] = {
    "id": "b1415263-7d8e-4f90-8192-c3d4e5f60718",
    "recipient": "it@partner.example",
    "state": "open",
    "connection": None,
    "created_by": "ada@acme.example",
    "created_at": "2026-03-01T08:00:00Z",
    "expires_at": "2026-03-04T08:00:00Z",
    "finished_at": None,
    "revoked_at": None,
}
_URL = {"url": "https://portal.example.com/sso/setup/<43 characters>/"}


class SetupLinks(OrganizationView):
    """The organization's set-up links."""

    tag = TAG

    @listing(
        "listSsoSetupLinks",
        "List the links for setting up single sign-on",
        permission=P.SSO_READ,
        response=SetupLinkAnswer,
        ordering={"created_at": "created_at"},
        default_ordering="-created_at",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Those that open nothing any more stay in the list. A link goes with the connection that was made by it."""
        return SsoSetupLink.objects.all()

    @operation(
        "createSsoSetupLink",
        "Invite somebody to set up single sign-on",
        permission=P.SSO_MANAGE,
        request=NewSetupLink,
        response=IssuedSetupLinkAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE | _URL,
        request_example={"recipient": "it@partner.example", "days": 3},
    )
    def post(self) -> IssuedSetupLink:
        """Whoever holds `url` can make one connection and test it, never switch it on, and sees nothing else."""
        return create_setup_link(organization=self.organization, actor=self.actor, **self.data)


class OneSetupLink(OrganizationView):
    """One set-up link."""

    tag = TAG

    @operation("revokeSsoSetupLink", "Revoke a set-up link", permission=P.SSO_MANAGE, status=204)
    def delete(self, setup_link: UUID) -> None:
        """It opens nothing any more, and stays in the list. What was set up by it stays."""
        revoke_setup_link(link=self.locked(SsoSetupLink.objects.all(), pk=setup_link), actor=self.actor)
