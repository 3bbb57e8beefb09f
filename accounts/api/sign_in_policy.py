"""What an organization asks of the sessions that enter it, and who is excepted from single sign-on."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import SignInException, SignInPolicy, SsoAsSecondFactor, SsoRequired
from accounts.models.sign_in_policy import MOST_IDLE_MINUTES, MOST_SESSION_HOURS, MOST_SESSIONS
from accounts.services.sign_in_policy import (
    add_sign_in_exception,
    remove_sign_in_exception,
    update_sign_in_policy,
)
from api.fields import ReferenceField
from api.operation import listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from tenants.api.members import members
from tenants.api.serializers import MEMBER_EXAMPLE, MemberName
from tenants.permissions import P

TAG = "Sign-in policy"
_SSO = (
    "Who has to come through the identity provider. Needs a connection that somebody has come in by, and `break_glass`."
)
_GUARD = "The member, an owner with a second step, who still comes in by password; null: nobody."
_AS_SECOND = "Whether coming through the identity provider counts as two steps."
_HOURS = "The longest session, in hours; null: as long as the installation lets one live."
_IDLE = "The longest pause, in minutes; null: any."
_SESSIONS = "How many sessions a person has at a time; null: any number."
_NETWORKS = "From where people enter, and use their own keys: addresses and networks (CIDR); empty: from everywhere."


def _members(view: Any) -> Any:
    return members(view)


class SignInPolicyAnswer(Answer):
    """The policy; an organization that never set one asks nothing."""

    sso_required = serializers.ChoiceField(choices=SsoRequired.values, help_text=_SSO)
    break_glass = MemberName(allow_null=True, help_text=_GUARD)
    second_factor_required = serializers.BooleanField()
    sso_as_second_factor = serializers.ChoiceField(choices=SsoAsSecondFactor.values, help_text=_AS_SECOND)
    session_hours = serializers.IntegerField(allow_null=True, help_text=_HOURS)
    idle_minutes = serializers.IntegerField(allow_null=True, help_text=_IDLE)
    concurrent_sessions = serializers.IntegerField(allow_null=True, help_text=_SESSIONS)
    allowed_networks = serializers.ListField(child=serializers.CharField(), help_text=_NETWORKS)


class SignInPolicyChange(Change):
    """What is left out stays as it is."""

    sso_required = serializers.ChoiceField(choices=SsoRequired.values, help_text=_SSO)
    break_glass = ReferenceField(_members, allow_null=True, help_text=_GUARD)
    second_factor_required = serializers.BooleanField()
    sso_as_second_factor = serializers.ChoiceField(choices=SsoAsSecondFactor.values, help_text=_AS_SECOND)
    session_hours = serializers.IntegerField(
        min_value=1, max_value=MOST_SESSION_HOURS, allow_null=True, help_text=_HOURS
    )
    idle_minutes = serializers.IntegerField(min_value=5, max_value=MOST_IDLE_MINUTES, allow_null=True, help_text=_IDLE)
    concurrent_sessions = serializers.IntegerField(
        min_value=1, max_value=MOST_SESSIONS, allow_null=True, help_text=_SESSIONS
    )
    allowed_networks = serializers.ListField(child=serializers.CharField(max_length=60), help_text=_NETWORKS)


class SignInExceptionAnswer(Answer):
    """A member who goes on without single sign-on."""

    id = serializers.UUIDField()
    member = MemberName(source="membership")
    reason = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewSignInException(Body):
    """Whom to except, and why."""

    member = ReferenceField(_members, help_text="The id of the membership.")
    reason = serializers.CharField(max_length=300)


EXAMPLE = {
    "sso_required": "everybody",
    "break_glass": MEMBER_EXAMPLE,
    "second_factor_required": True,
    "sso_as_second_factor": "always",
    "session_hours": 12,
    "idle_minutes": None,
    "concurrent_sessions": None,
    "allowed_networks": ["203.0.113.0/24"],
}
EXCEPTION_EXAMPLE = {
    "id": "0b0e7d9c-8a0f-4a55-a3a6-1a4a4c1f7d21",
    "member": MEMBER_EXAMPLE,
    "reason": "The wallboard in the office, until it has a key of its own.",
    "created_by": "ada@acme.example",
    "created_at": "2026-01-05T09:00:00Z",
}


class Policy(OrganizationView):
    """The sign-in policy."""

    tag = TAG

    @operation(
        "getSignInPolicy",
        "Return the sign-in policy",
        permission=P.SIGN_IN_POLICY_READ,
        response=SignInPolicyAnswer,
        example=EXAMPLE,
    )
    def get(self) -> SignInPolicy:
        """What is asked of a session each time that it enters."""
        return SignInPolicy.of(self.organization.pk)

    @operation(
        "updateSignInPolicy",
        "Change the sign-in policy",
        permission=P.SIGN_IN_POLICY_MANAGE,
        request=SignInPolicyChange,
        response=SignInPolicyAnswer,
        example=EXAMPLE,
        request_example={"second_factor_required": True},
    )
    def patch(self) -> SignInPolicy:
        """It counts with everybody's next request. What would lock people out is refused."""
        self.lock_organization()
        self.hold_to_condition(SignInPolicy.of(self.organization.pk))
        return update_sign_in_policy(organization=self.organization, actor=self.actor, **self.data)


class Exceptions(OrganizationView):
    """The exceptions to single sign-on."""

    tag = TAG

    @listing(
        "listSignInExceptions",
        "List the exceptions to single sign-on",
        permission=P.SIGN_IN_POLICY_READ,
        response=SignInExceptionAnswer,
        ordering={"created_at": "created_at"},
        default_ordering="-created_at",
        example=EXCEPTION_EXAMPLE,
    )
    def get(self) -> Any:
        """Members who come in by password where the others may not."""
        return _exceptions()

    @operation(
        "createSignInException",
        "Except a member from single sign-on",
        permission=P.SIGN_IN_POLICY_MANAGE,
        request=NewSignInException,
        response=SignInExceptionAnswer,
        status=HTTPStatus.CREATED,
        example=EXCEPTION_EXAMPLE,
        request_example={"member": MEMBER_EXAMPLE["id"], "reason": EXCEPTION_EXAMPLE["reason"]},
    )
    def post(self) -> SignInException:
        """Two steps, networks and the rest of the policy still hold for them."""
        return add_sign_in_exception(membership=self.data["member"], reason=self.data["reason"], actor=self.actor)


class OneException(OrganizationView):
    """One exception."""

    tag = TAG

    @operation(
        "getSignInException",
        "Return an exception to single sign-on",
        permission=P.SIGN_IN_POLICY_READ,
        response=SignInExceptionAnswer,
        example=EXCEPTION_EXAMPLE,
    )
    def get(self, sign_in_exception: UUID) -> SignInException:
        """Who, since when, and why."""
        found: SignInException = self.find(_exceptions(), pk=sign_in_exception)
        return found

    @operation("removeSignInException", "End an exception", permission=P.SIGN_IN_POLICY_MANAGE, status=204)
    def delete(self, sign_in_exception: UUID) -> None:
        """They come through the identity provider from their next request on."""
        remove_sign_in_exception(exception=self.locked(_exceptions(), pk=sign_in_exception), actor=self.actor)


def _exceptions() -> Any:
    return SignInException.objects.select_related("membership__user")
