"""The proxy's settings, one page."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of, can
from console.confirm import add_refusal
from console.sites import tenant_site
from gateway.forms.proxy_settings import ProxySettingsForm
from gateway.models import ProxySettings
from gateway.services.proxy_settings import update_proxy_settings
from gateway.well_known import JWKS_PATH, TOKEN_PATH
from isolation.exceptions import DomainError
from tenants.admin.common import organization_of, page
from tenants.permissions import P


@tenant_site.page(
    "llm-proxy/",
    name="llm_proxy",
    title="LLM auth proxy",
    permission=P.LLM_PROXY_READ,
    menu=("LLM proxy", 10),
    icon="shield_lock",
    description="Turn the proxy on, and choose what tokens say, how long they live and what is masked in prompts.",
)
def proxy_settings(request: HttpRequest) -> HttpResponse:
    """Show and save the settings."""
    organization = organization_of(request)
    editable = can(request, P.LLM_PROXY_MANAGE)
    stored = ProxySettings.of(organization.pk)
    data = request.POST if request.method == "POST" and editable else None
    form = ProxySettingsForm(data, stored=stored, editable=editable)
    if form.is_bound and form.is_valid():
        try:
            update_proxy_settings(organization=organization, actor=actor_of(request), **form.values())
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The settings were saved. They count from now on.")
            return HttpResponseRedirect(reverse("console:llm_proxy"))
    context = {
        "title": "LLM auth proxy",
        "editable": editable,
        "is_default": stored._state.adding,
        "is_enabled": stored.is_enabled,
        "issuer": settings.JWT_ISSUER,
        "jwks_url": f"{settings.PUBLIC_URL}{JWKS_PATH}",
        "token_url": f"{settings.PUBLIC_URL}{TOKEN_PATH}",
    }
    return page(tenant_site, request, "gateway/proxy_settings.html", context, form=form)
