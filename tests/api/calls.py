"""How the tests of the API ask."""

from typing import Any
from uuid import uuid4

from django.test import Client

from accounts.models import User
from tests.people import signed_in


class Caller:
    """Somebody with a session, who sends JSON; each answer must be JSON or empty, and name its request."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the response of one request; header names have underscores: `if_match`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        options: dict[str, Any] = {"headers": sent}
        if body is not None:
            options |= {"data": body, "content_type": "application/json"}
        response: Any = self.client.generic(method, f"/api/v1{path}", **_encoded(options))
        assert response["X-Request-ID"], path
        if response.status_code >= 400:
            problem = response.json()
            assert response["Content-Type"] == "application/problem+json", path
            assert {"type", "title", "status", "detail", "code", "request_id"} <= problem.keys()
            assert problem["status"] == response.status_code
            assert problem["request_id"] == response["X-Request-ID"]
        return response

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PUT", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self("DELETE", path, **headers)


def by(user: User) -> Caller:
    """Return a caller with the session of `user`."""
    return Caller(signed_in(user))


def anybody() -> Caller:
    """Return a caller without a credential."""
    return Caller(Client())


def fresh_key() -> str:
    """Return an idempotency key that nobody used."""
    return uuid4().hex


def _encoded(options: dict[str, Any]) -> dict[str, Any]:
    if isinstance(options.get("data"), dict | list):
        options["data"] = Client()._encode_json(options["data"], "application/json")  # type: ignore[attr-defined]
    return options
