"""Addresses that another process answers."""

from http import HTTPStatus

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from api.problems import Problem


@csrf_exempt
@transaction.non_atomic_requests
def introspection(request: HttpRequest) -> HttpResponse:
    """Tell where keys are verified: who sent the request here took the portal's port, or the proxy lacks a rule."""
    return Problem(
        HTTPStatus.NOT_FOUND,
        "at_the_gateway",
        "Keys are verified by the gateway, a process of its own, and this is the portal. Send the request to "
        f"{settings.GATEWAY_PUBLIC_URL}/api/v1/introspect; behind a proxy, let it send that path to the gateway.",
    ).response()
