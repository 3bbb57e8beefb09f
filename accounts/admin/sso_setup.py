"""Links by which somebody who is no member sets up single sign-on: made, shown once, listed, revoked."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from accounts.forms.sso_setup import SetupLinkForm
from accounts.models import SsoSetupLink
from accounts.services.sso_setup import create_setup_link, revoke_setup_link
from console import once
from console.access import actor_of
from console.actions import list_action, object_action
from console.confirm import add_refusal, dress
from console.options import TenantModelAdmin
from console.sites import tenant_site
from isolation.exceptions import DomainError
from tenants.admin.common import STYLE, WithHistory, badge, organization_of, page, two_lines
from tenants.permissions import P

from .common import moment

_FORM = "ssosetuplink"
_TONES = {"open": "good", "finished": "good", "revoked": "bad", "expired": "warn"}


@admin.register(SsoSetupLink, site=tenant_site)
class SsoSetupLinkAdmin(WithHistory, TenantModelAdmin):
    """The organization's set-up links, newest first; the menu leads to them through the connections."""

    permissions: ClassVar = {"view": P.SSO_READ}
    empty_title = "No links"
    empty_text = "Invite whoever looks after your identity provider: they need no login here to set up the connection."

    list_display = ("title", "state_badge", "of_connection", "until", "made")
    search_fields = ("recipient__istartswith",)
    search_help_text = "Search by the beginning of a name or an address"
    ordering = ("-created_at", "-pk")
    fields = ("title", "state_badge", "of_connection", "until", "made")
    readonly_fields = fields
    actions_list = ("invite",)
    actions_detail = ("revoke",)

    class Media:
        css = STYLE

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the links with what was set up by them."""
        return super().narrow(request, queryset).select_related("connection")

    @list_action(permission=P.SSO_MANAGE, description="Invite somebody to set it up", icon="link")
    def invite(self, request: HttpRequest) -> HttpResponse:
        """Lead to the form of a new link."""
        return HttpResponseRedirect(reverse("console:sso_setup_link_new"))

    @object_action(
        permission=P.SSO_MANAGE,
        description="Revoke",
        confirm="The link opens nothing any more. What was set up by it stays.",
        icon="link_off",
        danger=True,
        when=lambda link: link.is_open,
    )
    def revoke(self, request: HttpRequest, obj: SsoSetupLink, data: dict[str, Any]) -> HttpResponse:
        """Let the link open nothing any more."""
        revoke_setup_link(link=obj, actor=actor_of(request))
        messages.success(request, f"The link for {obj} was revoked.")
        return HttpResponseRedirect(self.list_url(request))

    @admin.display(description="For whom", ordering="recipient")
    def title(self, obj: SsoSetupLink) -> str:
        """Return for whom it was made."""
        return two_lines(obj.recipient)

    @admin.display(description="State")
    def state_badge(self, obj: SsoSetupLink) -> str:
        """Return the state."""
        return badge(obj.state.capitalize(), _TONES[obj.state])

    @admin.display(description="Connection")
    def of_connection(self, obj: SsoSetupLink) -> str:
        """Return what was set up by it."""
        return two_lines(obj.connection.name if obj.connection else "None yet")

    @admin.display(description="Counts until", ordering="expires_at")
    def until(self, obj: SsoSetupLink) -> str:
        """Return how long it counts."""
        return moment(obj.expires_at)

    @admin.display(description="Made", ordering="created_at")
    def made(self, obj: SsoSetupLink) -> str:
        """Return when, and by whom."""
        return two_lines(moment(obj.created_at), f"by {obj.created_by}")


@tenant_site.page(
    "sso/setup-links/new/", name="sso_setup_link_new", title="Invite somebody to set it up", permission=P.SSO_MANAGE
)
def new_setup_link(request: HttpRequest) -> HttpResponse:
    """Ask for whom, make the link, and show it once."""
    form = SetupLinkForm(request.POST if request.method == "POST" else None)
    for field in form.fields.values():
        dress(field)
    links_url = reverse("console:accounts_ssosetuplink_changelist")
    if form.is_bound and form.is_valid():
        try:
            link_id = once.row_id(request, _FORM)
            if SsoSetupLink.objects.filter(pk=link_id).exists():
                messages.warning(request, "This form was sent twice. The link was shown once: revoke it if it is lost.")
                return HttpResponseRedirect(links_url)
            issued = create_setup_link(
                organization=organization_of(request), actor=actor_of(request), link_id=link_id, **form.cleaned_data
            )
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            shown = {"title": "Hand over this link", "issued": issued, "link": issued.link, "done_url": links_url}
            response = page(tenant_site, request, "accounts/sso/setup_link_made.html", shown)
            add_never_cache_headers(response)
            return response
    context = {
        "title": "Invite somebody to set it up",
        "once": once.token(request, _FORM),
        "cancel_url": reverse("console:accounts_ssoconnection_changelist"),
    }
    return page(tenant_site, request, "accounts/sso/setup_link_new.html", context, form=form)
