"""Authentication as cheap as can be: one token, in the environment."""

import hmac
import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class IdentityProvider:
    """Whoever has the token."""

    is_authenticated = True


class BearerMiddleware:
    """Lets the bearer of the token in; django-scim2's own middleware refuses everybody else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._expected = f"Bearer {os.environ['BENCH_TOKEN']}".encode()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if hmac.compare_digest(request.headers.get("Authorization", "").encode(), self._expected):
            request.user = IdentityProvider()  # type: ignore[assignment]
        return self._get_response(request)
