"""Two organizations on the stage: Acme, whose console is open, and Globex, which its members must never see."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from tenants.permissions import P
from tests.console import stage

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.console.stage.SceneMiddleware",
]


@pytest.fixture
def staged(settings: Any) -> Iterator[None]:
    """Serve the stage's URLs."""
    settings.ROOT_URLCONF = "tests.console.stage"
    settings.MIDDLEWARE = MIDDLEWARE
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.TEMPLATES = [_without_the_portal(engine) for engine in settings.TEMPLATES]
    yield
    stage.scene.organization = stage.scene.actor = stage.scene.user = None


def _without_the_portal(engine: dict[str, Any]) -> dict[str, Any]:
    options = engine["OPTIONS"]
    processors = [name for name in options["context_processors"] if not name.startswith("portal.")]
    return {**engine, "OPTIONS": {**options, "context_processors": processors}}


@pytest.fixture
def acme(db: None) -> SimpleNamespace:
    """The organization whose console is open."""
    return SimpleNamespace(**stage.make_organization("acme"))


@pytest.fixture
def globex(db: None) -> SimpleNamespace:
    """Somebody else's organization."""
    return SimpleNamespace(**stage.make_organization("globex"))


@pytest.fixture
def enter(staged: None, acme: SimpleNamespace) -> Callable[..., Client]:
    """Return a function that opens Acme's console with given permissions."""

    def as_member(*permissions: P, project: Any = None) -> Client:
        stage.scene.user = acme.user
        stage.scene.organization = acme.organization
        stage.scene.actor = stage.actor_with(acme.user, acme.organization.pk, *permissions, project=project)
        return Client()

    return as_member


@pytest.fixture
def admin(enter: Callable[..., Client]) -> Client:
    """A client that may do everything in Acme."""
    return enter(*P)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the stage be filled past the services, without events: the console below the apps is what is tested here."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("unattributed")
