"""One's own sessions and browsers: see them, end them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Device
from accounts.services.sessions import end_session, end_sessions, forget_device
from accounts.services.users import person
from accounts.sessions.facts import session_of, sessions_of
from accounts.sessions.rows import MOST, device_rows, session_rows
from console.links import login_url
from isolation.context import current_origin


@never_cache
@login_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show where somebody is signed in, and with which browsers they have been."""
    user, current, here = _user(request), session_of(request), current_origin().ip
    sessions = list(sessions_of(user)[: MOST + 1])
    devices = Device.objects.filter(user=user).order_by("-last_seen_at", "-pk")
    context = {
        "sessions": session_rows(sessions[:MOST], current=current, here=here),
        "there_are_more": len(sessions) > MOST,
        "others": len(sessions) > 1,
        "devices": device_rows(devices, current=current, here=here),
    }
    return render(request, "portal/sessions.html", context)


@login_required
@require_POST
def end(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End one of one's own sessions; this one is a sign-out."""
    user, current = _user(request), session_of(request)
    if current is not None and current.pk == session_id:
        logout(request)
        return redirect(login_url())
    if not end_session(user=user, session_id=session_id, actor=person(user)):
        raise Http404
    messages.success(request, "That session has ended.")
    return redirect("sessions")


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End all of one's sessions but this one."""
    user = _user(request)
    number = end_sessions(user, except_key=request.session.session_key, actor=person(user))
    ended = {0: "There was no other session.", 1: "The other session has ended."}
    messages.success(request, ended.get(number, f"The {number} other sessions have ended."))
    return redirect("sessions")


@login_required
@require_POST
def forget(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """Forget a browser, and end its sessions; with this one's that is a sign-out."""
    user, current = _user(request), session_of(request)
    if not forget_device(user=user, device_id=device_id, actor=person(user)):
        raise Http404
    if current is not None and current.device_id == device_id:
        request.session.flush()
        return redirect(login_url())
    messages.success(request, "That browser is forgotten, and its sessions have ended.")
    return redirect("sessions")


def _user(request: HttpRequest) -> Any:
    return request.user
