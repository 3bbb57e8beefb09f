"""All organizations, for operators. Every write opens the organization's scope, so that its own log tells of it."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.access import actor_of
from console.actions import object_action
from console.links import root_url
from console.options import OperatorModelAdmin
from console.sites import operator_site
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from tenants.forms.members import ReasonForm
from tenants.forms.operator import NewDomainForm, NewOrganizationForm, OwnerForm, SuspensionForm
from tenants.models import Domain, Membership, Organization
from tenants.permissions import P
from tenants.selectors import number_of
from tenants.services.domains import confirm_domain
from tenants.services.organizations import (
    create_organization,
    request_deletion,
    restore_organization,
    resume_organization,
    suspend_organization,
)
from tenants.services.owners import appoint_owner

from .common import STYLE, badge, two_lines

_MOST_OWNERS = 20


class StateFilter(SimpleListFilter):
    """What an organization's state is."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [
            ("active", "Active"),
            ("suspended", "Suspended"),
            ("deleting", "Being deleted"),
            ("ownerless", "Without an owner"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the organizations in the chosen state."""
        match self.value():
            case "active":
                return queryset.filter(suspended_at=None, purge_at=None)
            case "suspended":
                return queryset.exclude(suspended_at=None)
            case "deleting":
                return queryset.exclude(purge_at=None)
            case "ownerless":
                return queryset.filter(is_owned=False)
        return queryset


@admin.register(Organization, site=operator_site)
class OrganizationAdmin(OperatorModelAdmin):
    """Organizations with their state; what happens inside one is its members' business."""

    permissions: ClassVar = {"view": P.ORGANIZATION_READ, "add": P.ORGANIZATION_MANAGE}
    menu = ("Organizations", 10)
    icon = "domain"
    description = "Create, suspend and restore organizations, and enter one for support."
    empty_text = "Create the first one for its owner, or let people create their own in the settings."

    exclude = ("default_role",)  # the owners choose it
    list_display = ("title", "state", "member_count", "created", "support")
    list_filter = (StateFilter,)
    search_fields = ("^slug", "^name")
    search_help_text = "Search by the beginning of an identifier or name"
    actions_detail = ("suspend", "resume", "add_owner", "confirm_domain", "schedule_deletion", "restore")

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the organizations with their number of active members and whether somebody owns them."""
        rows: QuerySet[Any] = queryset.annotate(
            members_number=number_of(Membership.objects.filter(is_active=True), "organization_id"),
            is_owned=Exists(Membership.objects.active_owners().filter(organization_id=OuterRef("pk"))),
        )
        return rows

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return the form class; a new organization wants an owner."""
        if obj is None:
            kwargs["form"] = NewOrganizationForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new organization, or shown of one."""
        if obj is None:
            return ("slug", "name", "owner")
        shown = ("slug", "name", "state", "owners", "member_count", "domains", "created", "support")
        return (*shown, "suspension_reason") if obj.is_suspended else shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything once the organization exists: its settings are its owners'."""
        return () if obj is None else self.get_fields(request, obj)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Suggest the identifier from the name."""
        return {"slug": ("name",)} if obj is None else {}

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Organization:
        """Create an organization for somebody."""
        owner = _login(values["owner"])
        return create_organization(slug=values["slug"], name=values["name"], owner=owner, actor=actor_of(request))

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the organization's audit log is."""
        return f"{reverse('operator:audit_log')}?{urlencode({'organization': obj.slug})}"

    # Columns ---------------------------------------------------------------------------------------

    @admin.display(description="Organization", ordering="name")
    def title(self, obj: Any) -> SafeString:
        """Return name and identifier."""
        return two_lines(obj.name, obj.slug)

    @admin.display(description="State")
    def state(self, obj: Any) -> SafeString:
        """Return what is unusual about it."""
        found = []
        if obj.is_suspended:
            found.append(badge("Suspended", "warn"))
        if obj.is_being_deleted:
            found.append(badge(f"Deletion on {date_format(obj.purge_at)}", "bad"))
        if not getattr(obj, "is_owned", True):
            found.append(badge("No active owner", "bad"))
        return format_html_join(" ", "{}", ((item,) for item in found)) if found else badge("Active", "good")

    @admin.display(description="Active members", ordering="members_number")
    def member_count(self, obj: Any) -> int:
        """Return the number of active members."""
        number: int = obj.members_number
        return number

    @admin.display(description="Created", ordering="created_at")
    def created(self, obj: Any) -> str:
        """Return the day it was created."""
        return date_format(obj.created_at)

    @admin.display(description="Owners")
    def owners(self, obj: Any) -> str:
        """Return the active owners' addresses."""
        rows = Membership.objects.active_owners().filter(organization_id=obj.pk)
        emails = list(rows.order_by("user__email").values_list("user__email", flat=True)[: _MOST_OWNERS + 1])
        more = " and more" if len(emails) > _MOST_OWNERS else ""
        return f"{', '.join(emails[:_MOST_OWNERS])}{more}" or "None"

    @admin.display(description="Verified domains")
    def domains(self, obj: Any) -> str:
        """Return the domains that count as its own."""
        rows = Domain.objects.filter(organization_id=obj.pk, verified_at__isnull=False)
        return ", ".join(rows.order_by("name").values_list("name", flat=True)) or "None"

    @admin.display(description="Support")
    def support(self, obj: Any) -> SafeString:
        """Return the link to the page that asks for the reason."""
        url = root_url(f"admin/support/{obj.pk}/")
        return format_html('<a class="tn-link" href="{}">Enter for support</a>', url)

    # Actions ---------------------------------------------------------------------------------------

    @object_action(
        permission=P.ORGANIZATION_MANAGE,
        description="Suspend",
        confirm="Nobody of it can sign in to it until you resume it. Nothing is lost.",
        url_path="suspend",
        icon="pause",
        danger=True,
        form=SuspensionForm,
        when=lambda obj: not obj.is_suspended,
    )
    def suspend(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Close an organization for now."""
        with tenant_scope(obj):
            suspend_organization(organization=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{obj} is suspended.")

    @object_action(
        permission=P.ORGANIZATION_MANAGE,
        description="Resume",
        confirm="Its members can work again.",
        url_path="resume",
        icon="play_arrow",
        when=lambda obj: obj.is_suspended,
    )
    def resume(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Open a suspended organization."""
        with tenant_scope(obj):
            resume_organization(organization=obj, actor=actor_of(request))
        messages.success(request, f"{obj} is open again.")

    @object_action(
        permission=P.ORGANIZATION_MANAGE,
        description="Add an owner",
        confirm="This organization has no active owner. The person you name may do everything in it.",
        url_path="add-owner",
        icon="person_add",
        form=OwnerForm,
        when=lambda obj: not obj.is_owned,
    )
    def add_owner(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Appoint an owner where none is left."""
        user = _login(data["owner"])
        with tenant_scope(obj):
            appoint_owner(organization=obj, user=user, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{user} owns {obj} now.")

    @object_action(
        permission=P.DOMAINS_MANAGE,
        description="Confirm a domain",
        confirm="The domain counts as this organization's from now on, on your word. No record is looked for, and no "
        "other organization can verify it.",
        url_path="confirm-domain",
        icon="dns",
        form=NewDomainForm,
    )
    def confirm_domain(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Vouch for a domain of the organization."""
        with tenant_scope(obj):
            domain = confirm_domain(organization=obj, actor=actor_of(request), **data)
        messages.success(request, f"{domain} is confirmed for {obj}.")

    @object_action(
        permission=P.ORGANIZATION_DELETE,
        description="Schedule deletion",
        confirm="Nothing is lost until the grace period ends; until then you and its owners can call it off.",
        url_path="schedule-deletion",
        icon="delete",
        danger=True,
        form=ReasonForm,
        typed=lambda obj: str(obj.slug),
        when=lambda obj: not obj.is_being_deleted,
    )
    def schedule_deletion(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Begin the two-step deletion."""
        with tenant_scope(obj):
            stored = request_deletion(organization=obj, actor=actor_of(request), reason=data["reason"])
        messages.success(request, f"{obj} will be deleted on {stored.purge_at:%-d %B %Y at %H:%M} UTC.")

    @object_action(
        permission=P.ORGANIZATION_DELETE,
        description="Call the deletion off",
        confirm="The organization stays as it is.",
        url_path="restore",
        icon="restore",
        when=lambda obj: obj.is_being_deleted,
    )
    def restore(self, request: HttpRequest, obj: Any, data: dict[str, Any]) -> None:
        """Call the deletion off."""
        with tenant_scope(obj):
            restore_organization(organization=obj, actor=actor_of(request))
        messages.success(request, f"{obj} stays.")


def _login(email: str) -> Any:
    user = get_user_model().objects.filter(email=email.strip().lower()).first()
    if user is None:
        raise DomainError(
            f"Nobody has a login with the address {email}. Create it first, under Users.", field="owner", code="unknown"
        )
    return user
