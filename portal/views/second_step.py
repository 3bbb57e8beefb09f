"""Where somebody goes who needs a second step: to prove one, to set one up, and then on."""

from typing import cast
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.second_factor import FACTORS, proved_second_factor
from console.links import root_url

NEXT = "second_step_next"


@never_cache
@login_required
@require_safe
def lead(request: HttpRequest) -> HttpResponse:
    """Lead on when this session proved a second factor; otherwise ask for one, or offer to set one up."""
    next_url = _next(request)
    if proved_second_factor(request):
        request.session.pop(NEXT, None)
        return redirect(next_url)
    request.session[NEXT] = next_url
    kinds = Authenticator.objects.filter(user_id=cast("User", request.user).pk, type__in=FACTORS)
    owned = set(kinds.values_list("type", flat=True))
    if not owned:
        return render(request, "portal/second_step.html")
    page = "mfa_reauthenticate" if Authenticator.Type.TOTP in owned else "mfa_reauthenticate_webauthn"
    return redirect(f"{reverse(page)}?{urlencode({'next': root_url('accounts/second-step/')})}")


def _next(request: HttpRequest) -> str:
    asked = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()})
    if is_ours and not asked.startswith(request.path):
        return asked
    return str(request.session.get(NEXT) or root_url())
