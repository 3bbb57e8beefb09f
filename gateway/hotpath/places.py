"""Where LLM requests count: what memory holds about a project, its organization's settings, limits and credentials."""

import math
from typing import Any

from gateway.claims import Revocations

from .credentials import Credential, credentials_of


class Place:
    """One project of one organization, as it is now.

    Attributes:
        organization_id, project_id: which.
        exists: whether the organization has such a project.
        project: the project's identifier.
        environment: the project's.
        is_suspended: whether an operator closed the organization, or it is being deleted.
        is_closing: whether the project is being deleted.
        is_enabled, audiences, accepts_api_keys, emits_langsmith_names, masked, on_counter_outage: see
            `gateway.models.ProxySettings`.
        revocations: the tokens that are refused before their time.
        limits: the rows of `gateway.models.UsageLimit` that are in force.
        credentials: those in use, in the order in which they are tried.
        ends, until: see `gateway.hotpath.memory.Remembered`.
    """

    __slots__ = (
        "accepts_api_keys",
        "audiences",
        "credentials",
        "emits_langsmith_names",
        "ends",
        "environment",
        "exists",
        "is_closing",
        "is_enabled",
        "is_suspended",
        "limits",
        "masked",
        "on_counter_outage",
        "organization_id",
        "project",
        "project_id",
        "revocations",
        "until",
    )

    def __init__(
        self, row: dict[str, Any] | None, *, organization_id: str, project_id: str, defaults: dict[str, Any]
    ) -> None:
        self.organization_id = organization_id
        self.project_id = project_id
        self.exists = row is not None and row["project_id"] is not None
        self.ends = math.inf
        self.until = 0.0
        found = row if row is not None and self.exists else {}
        settings = found.get("settings") or defaults
        self.project: str = found.get("project", "")
        self.environment: str = found.get("environment", "")
        self.is_suspended = bool(row and row["suspended"])
        self.is_closing: bool = found.get("closing", True)
        self.is_enabled: bool = settings["is_enabled"]
        self.audiences = frozenset[str](settings["audiences"])
        self.accepts_api_keys: bool = settings["accepts_api_keys"]
        self.emits_langsmith_names: bool = settings["emits_langsmith_names"]
        self.masked: list[str] = settings["masked"]
        self.on_counter_outage: str = settings["on_counter_outage"]
        self.revocations = Revocations((kind, subject, last) for kind, subject, last in found.get("revocations", ()))
        self.limits: list[dict[str, Any]] = found.get("limits", [])
        self.credentials: tuple[Credential, ...] = tuple(credentials_of(found.get("credentials") or []))

    @property
    def is_active(self) -> bool:
        """Return whether requests may come from here at all."""
        return self.exists and self.is_enabled and not self.is_suspended and not self.is_closing

    @property
    def identities(self) -> tuple[str, ...]:
        """Return what it rests on: every change of all this is announced for the organization."""
        return (self.organization_id,)
