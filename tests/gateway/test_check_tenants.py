"""Tenant A's token never gets tenant B's credential: random organizations, projects, credentials, tokens and keys."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.check_stage import CHAT, MESSAGES, Answer, Proxy, check, drop
from tests.gateway.process import Gateway
from tests.gateway.stage import Keys
from tests.people import Tenant, make_project, make_tenant

TENANTS, PROJECTS = 3, 2
OPENAI_SHAPED = ("mistral", "openai")
PROVIDERS = (*OPENAI_SHAPED, "anthropic")


@dataclass(frozen=True)
class Stored:
    """A credential of one organization, or of one of its projects."""

    tenant: int
    project: int | None
    provider: str
    priority: int
    models: tuple[str, ...]
    is_enabled: bool
    number: int

    @property
    def secret(self) -> str:
        return f"tenant-{self.tenant}/project-{self.project}/{self.number}"


@dataclass(frozen=True)
class Asked:
    """A request: whose organization, whose project and whose person its token names, and what it is after."""

    organization: int
    project_of: int
    project: int
    person: int
    path: str
    provider: str
    model: str
    by_key: bool


TENANT, PROJECT = st.integers(0, TENANTS - 1), st.integers(0, PROJECTS - 1)
CREDENTIALS = st.lists(
    st.tuples(
        TENANT,
        st.none() | PROJECT,
        st.sampled_from(PROVIDERS),
        st.integers(1, 3),
        st.sampled_from([(), ("gpt-4*",), ("claude-*", "gpt-4o")]),
        st.integers(0, 5).map(bool),
    ),
    min_size=1,
    max_size=9,
)
ASKED = st.builds(
    Asked,
    TENANT,
    TENANT,
    PROJECT,
    TENANT,
    st.sampled_from([CHAT, MESSAGES]),
    st.sampled_from(["", "", *PROVIDERS]),
    st.sampled_from(["", "", "gpt-4o", "claude-3", "o1"]),
    st.booleans(),
)
# Most strangers' requests are refused for one reason; those of one's own have to be in every draw.
OWN = ASKED.map(
    lambda asked: Asked(
        asked.organization,
        asked.organization,
        asked.project,
        asked.organization,
        asked.path,
        asked.provider,
        asked.model,
        asked.by_key,
    )
)


def expected(asked: Asked, stored: list[Stored]) -> str:
    """Return the secret that may leave, or why none does; written down a second time, without the service's words."""
    # A key says itself whose it is; a token names person and organization.
    if asked.project_of != asked.person or (asked.organization != asked.person and not asked.by_key):
        return "refused"
    own = [
        each
        for each in stored
        if each.tenant == asked.person and each.is_enabled and each.project in {None, asked.project}
    ]
    own.sort(key=lambda each: (each.project is None, each.priority, each.number))
    speaking = OPENAI_SHAPED if asked.path == CHAT else ("anthropic",)
    own.sort(key=lambda each: each.provider not in speaking)
    meant = [each for each in own if asked.provider in {"", each.provider}]
    if not meant:
        return "credential_missing"
    for each in meant:
        if not asked.model or not each.models or any(fits(pattern, asked.model) for pattern in each.models):
            return each.secret
    return "model_not_allowed"


def fits(pattern: str, model: str) -> bool:
    return model.startswith(pattern[:-1]) if pattern.endswith("*") else model == pattern


class World:
    """The organizations, their projects and keys."""

    def __init__(self) -> None:
        self.proxies = [Proxy(make_tenant(f"tenant-{number}", everybody=False)) for number in range(TENANTS)]
        self.projects: list[list[Any]] = []
        self.keys: list[list[str]] = []
        for proxy in self.proxies:
            proxy.configure(accepts_api_keys=True)
            tenant: Tenant = proxy.tenant
            with tenant.acting("owner"):
                self.projects.append([tenant.project, make_project(tenant, "second")])
            keys = Keys(tenant)
            self.keys.append([keys.project(project, scopes=["llm:invoke"]).secret for project in self.projects[-1]])

    def store(self, credentials: list[Stored]) -> list[Any]:
        """Store credentials."""
        return [
            self.proxies[each.tenant].credential(
                each.provider,
                secret=each.secret,
                name=f"{each.number:03}",
                project=None if each.project is None else self.projects[each.tenant][each.project],
                priority=each.priority,
                allowed_models=list(each.models),
                is_enabled=each.is_enabled,
            )
            for each in credentials
        ]

    def ask(self, gateway: Gateway, asked: Asked) -> Answer:
        """Send a request."""
        headers = {"X-Gatehouse-Provider": asked.provider, "X-Gatehouse-Model": asked.model}
        headers = {name: value for name, value in headers.items() if value}
        project = self.projects[asked.project_of][asked.project]
        if asked.by_key:
            # A key of one organization, told to count in a project of another.
            secret = self.keys[asked.person][asked.project]
            headers |= {"Authorization": f"Bearer {secret}", "X-Gatehouse-Project": str(project.pk)}
            return check(gateway, path=asked.path, headers=headers)
        token = self.proxies[asked.person].token(
            "owner",
            organization_id=str(self.proxies[asked.organization].tenant.organization.pk),
            project_id=str(project.pk),
        )
        return check(gateway, token, asked.path, headers=headers)


def is_of(answer: Answer, asked: Asked, world: World) -> None:
    """Fail when a credential of any other organization or project is in the answer, wherever it stands."""
    allowed = {f"tenant-{asked.person}/project-None", f"tenant-{asked.person}/project-{asked.project}"}
    said = f"{answer.reply.headers}{answer.reply.body!r}"
    for tenant in range(TENANTS):
        for place in (None, *range(PROJECTS)):
            if f"tenant-{tenant}/project-{place}" not in allowed:
                assert f"tenant-{tenant}/project-{place}" not in said
    if answer.is_allowed:
        context = answer.context
        assert UUID(context.organization_id) == world.proxies[asked.person].tenant.organization.pk
        assert UUID(context.project_id) == world.projects[asked.person][asked.project].pk


def run(gateway: Gateway, *, examples: int) -> None:
    world = World()

    # A smaller example would take minutes to find: each attempt waits for what it expects.
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CREDENTIALS, st.lists(ASKED, min_size=2, max_size=5), st.lists(OWN, min_size=3, max_size=8))
    def each_gets_its_own(
        credentials: list[tuple[int, int | None, str, int, tuple[str, ...], bool]],
        strangers: list[Asked],
        own: list[Asked],
    ) -> None:
        stored = [Stored(*values, number) for number, values in enumerate(credentials)]
        rows = world.store(stored)
        try:
            for asked in (*strangers, *own):
                since = time.monotonic()
                want = expected(asked, stored)
                while True:
                    answer = world.ask(gateway, asked)
                    is_of(answer, asked, world)
                    got = answer.secret if answer.is_allowed else answer.code
                    if got == want or (want == "refused" and not answer.is_allowed):
                        break
                    assert time.monotonic() - since < 1, (asked, got, want)
        finally:
            for row in rows:
                drop(row, organization=row.organization)

    each_gets_its_own()


def test_nobody_gets_anothers_credential(gateway: Gateway, db: None) -> None:
    run(gateway, examples=25)


@pytest.mark.soak
def test_nobody_gets_anothers_credential_at_length(gateway: Gateway, db: None) -> None:
    run(gateway, examples=1_000)
