"""The logins of the installation, for operators."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.services.users import create_user, delete_user, set_user_active, update_user
from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.sites import operator_site
from isolation.scope import OPERATOR
from tenants.lookups import memberships_of
from tenants.models import Membership
from tenants.permissions import P
from tenants.selectors import number_of


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """A new login."""

    def clean_email(self) -> str:
        """Return the address as it is stored, so that the check for a second login sees it."""
        return str(self.cleaned_data["email"]).strip().lower()


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

    list_display = ("person", "state", "membership_count", "last_seen", "joined")
    list_filter = ("is_active", "is_operator")
    search_fields = ("email__startswith",)
    search_help_text = "Search by the beginning of an e-mail address"
    ordering = ("email",)
    actions_detail = ("make_operator", "unmake_operator", "deactivate", "reactivate")

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the users with their number of memberships, read by the role that crosses organizations."""
        counted = number_of(Membership.objects.all(), "user_id")
        rows: QuerySet[Any] = queryset.using(OPERATOR).annotate(memberships_number=counted)
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
        return ("email", "name", "state", "organizations", "last_seen", "joined")

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
