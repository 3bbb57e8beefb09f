"""Confirming that it is still the same person: by the password, a second step, or their identity provider."""

from typing import cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.lookups import sso_door
from accounts.models import User
from accounts.sso.presence import presences_in
from console.links import root_url


@never_cache
@login_required
@require_safe
def confirm(request: HttpRequest) -> HttpResponse:
    """Show the ways to confirm; the only one at once."""
    user = cast("User", request.user)
    asked = request.GET.get("next", "")
    wanted = asked if url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}) else root_url()
    doors = [door for presence in presences_in(request) if (door := sso_door(presence.connection_id)) and door.is_open]
    password_url = f"{reverse('account_reauthenticate')}?{urlencode({'next': wanted})}"
    if not doors and user.has_usable_password():
        return redirect(password_url)
    context = {
        "doors": doors,
        "password_url": password_url if user.has_usable_password() else "",
        "wanted": wanted,
    }
    return render(request, "portal/confirm.html", context)
