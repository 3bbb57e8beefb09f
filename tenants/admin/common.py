"""What the pages of the tenant console share."""

from typing import Any

from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console.access import actor_of, can
from console.confirm import dress
from tenants.authority import MemberAuthority
from tenants.forms.roles import RoleOptions
from tenants.models import Organization, Role
from tenants.permissions import P

_ROLES = "_tenants_roles"
_NEEDS_INPUT = 422

STYLE = {"all": ["tenants/tenants.css"]}


def organization_of(request: HttpRequest) -> Organization:
    """Return the organization that the request is about."""
    organization: Organization = request.organization  # type: ignore[attr-defined]
    return organization


def authority_of(request: HttpRequest) -> MemberAuthority:
    """Return what decides about the actor's permissions; the console lets in nobody without one."""
    authority = actor_of(request).authority
    if not isinstance(authority, MemberAuthority):
        raise TypeError("The tenant console is entered with an authority of the organization.")
    return authority


def roles_of(request: HttpRequest) -> list[Role]:
    """Return the organization's roles, read once for a request; none for whoever may not see roles."""
    if _ROLES not in request.__dict__:
        request.__dict__[_ROLES] = (
            list(Role.objects.order_by("-is_builtin", "name")) if can(request, P.ROLES_READ) else []
        )
    roles: list[Role] = request.__dict__[_ROLES]
    return roles


def role_options(request: HttpRequest, obj: Any = None, *, owner: bool = True) -> RoleOptions:
    """Return the roles as choices for the request's actor; see `RoleOptions`."""
    return RoleOptions(roles_of(request), actor_of(request), obj, owner=owner)


def role_field(formfield: Any, options: RoleOptions) -> Any:
    """Give an admin's foreign key field to Role the select that knows what the actor may give."""
    formfield.widget = options.widget()
    # The list is read once; as a queryset it would be read again for every row of an inline.
    formfield.choices = options.choices(empty="Choose a role")
    formfield.help_text = formfield.help_text or (
        "Roles above your own permissions cannot be chosen." if options.hidden_any else ""
    )
    return formfield


def badge(text: str, tone: str = "") -> SafeString:
    """Return a label; tone is "", "good", "warn" or "bad"."""
    return format_html('<span class="gh-badge{}">{}</span>', f" gh-badge-{tone}" if tone else "", text)


def two_lines(first: str, second: str = "") -> SafeString:
    """Return a text with a smaller one below; long words break instead of widening the table."""
    below = format_html('<span class="gh-muted">{}</span>', second) if second else ""
    return format_html('<span class="tn-two"><span>{}</span>{}</span>', first, below)


def dressed(form: BaseForm) -> BaseForm:
    """Give a plain form the console's look."""
    for field in form.fields.values():
        dress(field)
    return form


def page(
    site: Any, request: HttpRequest, template: str, context: dict[str, Any], *, form: BaseForm | None = None
) -> HttpResponse:
    """Return a page of the console; a form that was refused answers 422."""
    refused = form is not None and form.is_bound
    response: HttpResponse = site.render(
        request, template, {**context, "form": form}, status=_NEEDS_INPUT if refused else 200
    )
    return response


class WithHistory:
    """Mixed into an admin before `TenantModelAdmin`: its rows lead to their events, for whoever may read the log."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form, with a History button where the log may be read."""
        shown = object_id is not None and authority_of(request).allows_somewhere(P.AUDIT_LOG_READ)
        extra = {"show_history": shown, **(extra_context or {})}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, extra)  # type: ignore[misc]
        return response

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return the address of the row's timeline."""
        return reverse("console:audit_timeline", args=[obj.pk])
