"""Why somebody may or may not do something."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.fields import IdOrNameField
from api.operation import MEMBER, Filter, operation
from api.serializers import Answer
from api.views import OrganizationView
from isolation.actor import Actor
from tenants.access import explain, user_actor
from tenants.models import Membership, Project
from tenants.permissions import P

TAG = "Roles"


class ExplanationAnswer(Answer):
    """An answer with its reasons."""

    allowed = serializers.BooleanField()
    permission = serializers.CharField()
    reasons = serializers.ListField(child=serializers.CharField())


class Explain(OrganizationView):
    """Why may they do this?"""

    tag = TAG

    @operation(
        "explain",
        "Say why somebody may or may not do something",
        permission=MEMBER,
        response=ExplanationAnswer,
        filters={
            "permission": Filter(
                serializers.ChoiceField(choices=[name.value for name in P], help_text="What is asked."), required=True
            ),
            "member": Filter(serializers.UUIDField(help_text="Who, by the member's id; left out: you.")),
            "project": Filter(IdOrNameField("slug", help_text="Where; left out: the organization.")),
        },
        example={
            "allowed": True,
            "permission": "prompts:write",
            "reasons": ["The role Member in the organization allows it."],
        },
    )
    def get(self) -> Any:
        """The same answer as the checks themselves give. Asking about others needs `members:read`."""
        obj = self.organization
        if "project" in self.query:
            project = self.query["project"]
            lookup = {"pk": project} if isinstance(project, UUID) else {"slug": project}
            obj = self.find(Project.objects.visible_to(self.actor), **lookup)
        return explain(self._who(self.query.get("member")), self.query["permission"], obj)

    def _who(self, member: UUID | None) -> Actor:
        if member is None:
            return self.actor
        self.actor.require(P.MEMBERS_READ, self.organization)
        found: Membership = self.find(Membership.objects.select_related("user"), pk=member)
        return user_actor(found.user, self.organization.pk)
