"""The pages of a refusal. They work inside and outside an organization, and with any script prefix."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.defaults import bad_request as default_bad_request

from api.problems import Problem, is_api
from api.problems import not_found as nothing_there
from console.links import login_url
from isolation.exceptions import FreshSignInNeeded, MissingPermission
from portal.confirmation import confirm_first
from portal.refusal import explain_refusal, owners_of
from tenants.lookups import MembershipSummary
from tenants.models import Organization


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that the request is malformed (400), in as few words as Django does.

    Whose session ended while the request was under way is led to sign in.
    """
    if isinstance(exception, SessionInterrupted):
        return _sign_in_again(request)
    if is_api(request):
        text = "The request is malformed. Check its address and its headers, Host among them."
        return problem(HTTPStatus.BAD_REQUEST, "malformed", text)
    return default_bad_request(request, exception or Exception())


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say which permission is missing, which roles have it, and who can grant it (403)."""
    if is_api(request):
        return problem(HTTPStatus.FORBIDDEN, "forbidden", str(exception or "This is not allowed for you."))
    if isinstance(exception, FreshSignInNeeded):
        return confirm_first(request)
    if isinstance(exception, MissingPermission):
        refusal = explain_refusal(request, exception)
        return render(request, "portal/403_permission.html", {"refusal": refusal}, status=403)
    operators_only = request.path.startswith("/admin/")
    reason = "" if exception is None else str(exception)
    return render(request, "portal/403.html", {"operators_only": operators_only, "reason": reason}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Say that there is no such page, in the same words whether it exists for somebody else or not (404)."""
    if is_api(request):
        return nothing_there().response()
    return render(request, "portal/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that the fault is ours, with the request's id (500); asks nothing of a database that may be broken."""
    if is_api(request):
        text = "The fault is on this side. Try again; if it stays, tell the operator the request_id."
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "server_error", text)
    origin: Any = getattr(request, "origin", None)
    page = render_to_string("portal/500.html", {"request_id": getattr(origin, "request_id", "")})
    return HttpResponseServerError(page)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that the form was too old or came from elsewhere (403)."""
    return render(request, "portal/403_csrf.html", {"reason": reason}, status=403)


def suspended(request: HttpRequest, organization: Organization) -> HttpResponse:
    """Tell a member that the organization is closed for now, why, and whom to ask (403). Its scope is open."""
    context = {"organization": organization, "owners": owners_of(organization)}
    return render(request, "portal/suspended.html", context, status=403)


def confined(request: HttpRequest, home: MembershipSummary | None) -> HttpResponse:
    """Say that single sign-on opened one organization only, and how to reach the rest (403).

    Args:
        request: the request.
        home: the person's place in that organization, None when it has ended.
    """
    user: Any = request.user
    context = {"home": home, "has_password": user.has_usable_password(), "wanted": request.get_full_path()}
    return render(request, "portal/confined.html", context, status=403)


def _sign_in_again(request: HttpRequest) -> HttpResponse:
    """Lead to the sign-in page, which says that the session has ended: the session takes no message any more."""
    if is_api(request):
        text = "Your session ended while this request was under way. Sign in again."
        return problem(HTTPStatus.UNAUTHORIZED, "not_authenticated", text)
    back = {"next": request.get_full_path()} if request.method in {"GET", "HEAD"} else {}
    return redirect(f"{login_url()}?{urlencode({'ended': '1', **back})}")


def problem(status: int, code: str, detail: str) -> HttpResponse:
    """Return an error of the API, which never answers with a page."""
    return Problem(status, code, detail).response()
