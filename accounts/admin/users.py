"""The logins of the installation, for operators."""

from typing import Any, ClassVar
from uuid import UUID

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import SocialIdentity, User
from accounts.second_factor import FACTORS, has_any_factor
from accounts.services.second_factors import remove_second_factors
from accounts.services.sessions import end_session, end_sessions
from accounts.services.users import create_user, delete_user, set_user_active, update_user
from accounts.sessions.facts import sessions_of
from accounts.sessions.rows import MOST, SessionRow, session_rows
from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.sites import operator_site
from isolation.scope import OPERATOR
from tenants.admin.second_step import SecondStepFilter
from tenants.forms.members import ReasonForm
from tenants.lookups import memberships_of
from tenants.models import Membership
from tenants.permissions import P
from tenants.selectors import number_of


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A new login."""

    def clean_email(self) -> str:
        """Return the address as it is stored, so that the check for a second login sees it."""
        return str(self.cleaned_data["email"]).strip().lower()


def _sessions_of(user: User) -> list[SessionRow]:
    return session_rows(sessions_of(user)[:MOST], current=None, here=None)


def _more_about(row: SessionRow) -> str:
    return (
        f"{row.place}; {row.way}, {row.signed_in_at:%-d %B, %H:%M} UTC; last used {row.last_seen_at:%-d %B, %H:%M} UTC"
    )


def _session_questions(admin: Any, request: HttpRequest, user: User) -> type[forms.Form]:
    """Return the form that asks which sessions, and why."""
    choices = [("", "All of them")] + [
        (str(row.id), f"{row.browser} ({_more_about(row)})") for row in _sessions_of(user)
    ]
    session = forms.ChoiceField(label="Which", choices=choices, required=False)
    form: type[forms.Form] = type("SessionForm", (ReasonForm,), {"session": session, "field_order": ["session"]})
    return form


class WhyForm(forms.Form):
    """Asks how the operator made sure who is asking."""

    reason = forms.CharField(
        max_length=400,
        help_text="Such as how you made sure that it is them. It is kept in the audit log.",
    )


@admin.register(User, site=operator_site)
class UserAdmin(OperatorModelAdmin):
    """People: who they are, where they belong, whether they run this installation."""

    permissions: ClassVar = {
        "view": P.MEMBERS_READ,
        "add": P.MEMBERS_MANAGE,
        "change": P.MEMBERS_MANAGE,
        "delete": P.MEMBERS_MANAGE,
    }
    menu = ("People", 10)
    menu_title = "Users"
    icon = "person"
    description = "Every login of this installation: create, deactivate, make operators."
    delete_text = "The login and its memberships go for good. The audit log keeps the address."

    list_display = ("person", "state", "second_step", "membership_count", "last_seen", "joined")
    list_filter = ("is_active", "is_operator", SecondStepFilter)
    search_fields = ("email__startswith",)
    search_help_text = "Search by the beginning of an e-mail address"
    ordering = ("email",)
    actions_detail = (
        "end_sessions",
        "make_operator",
        "unmake_operator",
        "remove_second_factors",
        "deactivate",
        "reactivate",
    )

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users with their number of memberships, read by the role that crosses organizations."""
        counted = number_of(Membership.objects.all(), "user_id")
        factors = Authenticator.objects.filter(user_id=OuterRef("pk"), type__in=FACTORS)
        rows: QuerySet[Any] = queryset.using(OPERATOR).annotate(
            memberships_number=counted, has_second_factor=Exists(factors)
        )
        return rows

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> Any:
        """Return the users whose address begins with the term; addresses are stored in lower case."""
        return super().get_search_results(request, queryset, search_term.lower())

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class."""
        if obj is None:
            kwargs["form"] = NewUserForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new login, or shown of one."""
        if obj is None:
            return ("email", "name", "is_operator")
        return (
            "email",
            "name",
            "state",
            "second_step",
            "organizations",
            "social_accounts",
            "sessions",
            "last_seen",
            "joined",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything but the name, which an operator may mend."""
        return () if obj is None else tuple(name for name in self.get_fields(request, obj) if name != "name")

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> User:
        """Create a login without a password."""
        user = create_user(actor=actor_of(request), **values)
        messages.info(
            request, "Nothing was sent. The person chooses a password with “Forgot password” on the sign-in page."
        )
        return user

    def perform_update(self, request: HttpRequest, obj: Any, values: dict[str, Any]) -> None:
        """Change the name."""
        update_user(user=obj, actor=actor_of(request), **values)

    def perform_delete(self, request: HttpRequest, obj: Any) -> None:
        """Delete the login and end its memberships."""
        delete_user(user=obj, actor=actor_of(request))

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the address, to be typed."""
        return str(obj.email)

    def delete_consequences(self, request: HttpRequest, obj: Any) -> list[str]:
        """Return the organizations that the person leaves."""
        return [f"Leaves {place.name}, role {place.role}." for place in memberships_of(obj.pk)]

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the events about this login are."""
        return reverse("operator:audit_timeline", args=[obj.pk])

    # Columns ---------------------------------------------------------------------------------------

    @admin.display(description="Person", ordering="email")
    def person(self, obj: User) -> SafeString:
        """Return address and name."""
        return format_html('<span>{}</span> <span class="gh-muted">{}</span>', obj.email, obj.name)

    @admin.display(description="State")
    def state(self, obj: User) -> SafeString:
        """Return whether they may sign in, and whether they run the installation."""
        tones = [("Active", "good") if obj.is_active else ("Deactivated", "bad")]
        if obj.is_operator:
            tones.append(("Operator", "warn"))
        return format_html_join(" ", '<span class="gh-badge gh-badge-{}">{}</span>', ((t, text) for text, t in tones))

    @admin.display(description="Second step")
    def second_step(self, obj: Any) -> SafeString:
        """Return whether signing in takes more than the password."""
        tone, text = ("good", "On") if obj.has_second_factor else ("muted", "Off")
        return format_html('<span class="gh-badge gh-badge-{}">{}</span>', tone, text)

    @admin.display(description="Memberships")
    def membership_count(self, obj: Any) -> int:
        """Return in how many organizations they are."""
        number: int = obj.memberships_number
        return number

    @admin.display(description="Organizations")
    def organizations(self, obj: User) -> SafeString | str:
        """Return where they belong, with the role there."""
        rows = [
            (
                reverse("operator:tenants_organization_change", args=[place.organization_id]),
                place.name,
                place.role,
                "" if place.is_active else ", inactive",
            )
            for place in memberships_of(obj.pk)
        ]
        if not rows:
            return "None"
        link = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
        items = format_html_join("", f'<li>{link} <span class="gh-muted">({{}}{{}})</span></li>', rows)
        return format_html("<ul>{}</ul>", items)

    @admin.display(description="Accounts that sign them in")
    def social_accounts(self, obj: User) -> str:
        """Return the social providers whose accounts open this login."""
        rows = SocialIdentity.objects.using(OPERATOR).filter(user=obj)
        return ", ".join(f"{row.label} ({row.account})" if row.account else row.label for row in rows) or "None"

    @admin.display(description="Sessions")
    def sessions(self, obj: User) -> SafeString | str:
        """Return where they are signed in."""
        rows = [(row.browser, _more_about(row)) for row in _sessions_of(obj)]
        if not rows:
            return "Not signed in anywhere"
        items = format_html_join("", '<li>{} <span class="gh-muted">({})</span></li>', rows)
        return format_html("<ul>{}</ul>", items)

    @admin.display(description="Last sign-in")
    def last_seen(self, obj: User) -> str:
        """Return when they last signed in, in UTC."""
        return f"{obj.last_login:%-d %B %Y, %H:%M} UTC" if obj.last_login else "Never"

    @admin.display(description="Joined")
    def joined(self, obj: User) -> str:
        """Return the day the login was made."""
        return f"{obj.date_joined:%-d %B %Y}"

    # Actions ---------------------------------------------------------------------------------------

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="End sessions",
        confirm="The next request of an ended session finds nobody signed in. API keys stay as they are.",
        url_path="end-sessions",
        icon="logout",
        form=_session_questions,
    )
    def end_sessions(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """End one of somebody's sessions, or all of them."""
        actor, reason = actor_of(request), data["reason"]
        if data["session"]:
            ended = int(end_session(user=obj, session_id=UUID(data["session"]), actor=actor, reason=reason))
        else:
            ended = end_sessions(obj, actor=actor, reason=reason)
        messages.success(request, f"{ended} {'session' if ended == 1 else 'sessions'} of {obj} ended.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="Make operator",
        confirm="They can then open this console: every organization, every login, every audit log.",
        url_path="make-operator",
        icon="shield_person",
        danger=True,
        typed=lambda user: str(user.email),
        when=lambda user: user.is_active and not user.is_operator,
    )
    def make_operator(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """Let somebody run the installation."""
        update_user(user=obj, actor=actor_of(request), is_operator=True)
        messages.success(request, f"{obj} is an operator now.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="No operator any more",
        confirm="They keep their memberships and lose this console.",
        url_path="unmake-operator",
        icon="remove_moderator",
        when=lambda user: user.is_operator,
    )
    def unmake_operator(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """Take the operator console away."""
        update_user(user=obj, actor=actor_of(request), is_operator=False)
        messages.success(request, f"{obj} is no operator any more.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="Remove second steps",
        confirm="For somebody who lost phone, passkeys and recovery codes: the password alone signs them in until they "
        "set up a second step again. Make sure that it is them; they are told by mail.",
        url_path="remove-second-factors",
        icon="phonelink_erase",
        danger=True,
        form=WhyForm,
        when=has_any_factor,
    )
    def remove_second_factors(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """Remove what somebody's second step hangs on."""
        remove_second_factors(user=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{obj} signs in with the password alone now, and was told by mail.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="Deactivate",
        confirm="They cannot sign in anywhere. Their memberships stay as they are.",
        url_path="deactivate",
        icon="person_off",
        danger=True,
        when=lambda user: user.is_active,
    )
    def deactivate(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """Close a login."""
        set_user_active(user=obj, active=False, actor=actor_of(request))
        messages.success(request, f"{obj} cannot sign in any more.")

    @object_action(
        permission=P.MEMBERS_MANAGE,
        description="Reactivate",
        confirm="They can sign in again, with the memberships they had.",
        url_path="reactivate",
        icon="person_check",
        when=lambda user: not user.is_active,
    )
    def reactivate(self, request: HttpRequest, obj: User, data: dict[str, Any]) -> None:
        """Open a login again."""
        set_user_active(user=obj, active=True, actor=actor_of(request))
        messages.success(request, f"{obj} can sign in again.")
