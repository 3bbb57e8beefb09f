"""The operations of the OpenAPI document, from which tests are made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from api.document import document
from api.operation import AUTHENTICATED, MEMBER, PUBLIC
from tenants.permissions import BUILTIN_ROLES, BuiltinRole, P

PREFIX = "/api/v1"
_ARGUMENT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Described:
    """One operation, as the document describes it."""

    method: str
    path: str
    facts: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.facts["operationId"])

    @property
    def permission(self) -> str:
        return str(self.facts["x-required-permission"])

    @property
    def also(self) -> set[P]:
        """Return the further permissions that it takes."""
        return {P(name) for name in self.facts.get("x-also-required-permissions", [])}

    @property
    def body(self) -> Any:
        """Return the example of the body."""
        content = self.facts.get("requestBody", {}).get("content", {})
        return content.get("application/json", {}).get("example")

    def address(self, places: Mapping[str, str]) -> str:
        """Return the path below /api/v1 with its parameters filled, and what the query must have.

        Raises:
            KeyError: `tests/api/stage.py` has nothing for a parameter of the path, or of the query.
        """
        path = _ARGUMENT.sub(lambda match: places[match[1]], self.path).removeprefix(PREFIX)
        needed = {
            parameter["name"]: parameter["schema"]["enum"][0]
            if "enum" in parameter["schema"]
            else places[parameter["name"]]
            for parameter in self.facts.get("parameters", [])
            if parameter["in"] == "query" and parameter.get("required")
        }
        return f"{path}?{urlencode(needed)}" if needed else path

    def refusal(self, caller: str) -> int | None:
        """Return the status with which a caller is refused; None: they pass, whatever comes of it then."""
        in_organization = "{organization}" in self.path
        if self.permission == PUBLIC:
            return None
        if caller == "anonymous":
            return 401
        if caller in {"stranger", "operator"}:
            return 404 if in_organization else None
        held = BUILTIN_ROLES[BuiltinRole(caller)].permissions
        if "{project}" in self.path and P.PROJECTS_READ not in held:
            return 404
        if self.permission in {AUTHENTICATED, MEMBER} or P(self.permission) in held:
            return None
        return 403


def operations() -> list[Described]:
    """Return every operation of the document."""
    return [
        Described(method.upper(), path, facts)
        for path, item in document()["paths"].items()
        for method, facts in item.items()
    ]
