"""How a provisioning script for Langfuse asks: JSON, and Basic authentication with public and secret key."""

import json
import re
from typing import Any

from django.test import Client

from accounts.services.key_rules import IssuedKey
from tenants.permissions import P
from tests.accounts.api.stage import basic, make_key, organization_key
from tests.people import Tenant

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Script:
    """Sends requests with one pair of keys."""

    def __init__(self, public_key: str = "", secret_key: str = "") -> None:
        self.headers = {"Authorization": basic(public_key, secret_key)} if secret_key else {}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """Return the response of one request below /api/public."""
        sent = b"" if body is None else json.dumps(body).encode()
        return Client(headers=self.headers).generic(method, f"/api/public{path}", sent, "application/json")


def script(issued: IssuedKey) -> Script:
    return Script(issued.public_id, issued.secret)


def everything(tenant: Tenant) -> Script:
    """Return a script with a key of the organization that may do everything."""
    return script(organization_key(tenant, *P, name="Terraform"))


def of_project(tenant: Tenant, *scopes: str) -> Script:
    """Return a script with a key of the tenant's project."""
    return script(make_key(tenant, *(scopes or ["traces:write"])))
