"""Texts that people write stay texts, wherever a page shows them."""

from typing import Any

import pytest

from accounts.services.users import update_user
from isolation.actor import SYSTEM
from tenants.services.groups import create_group
from tenants.services.installation import update_installation_settings
from tenants.services.organizations import update_organization
from tenants.services.projects import update_project
from tenants.services.roles import create_role
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.django_db
MARKUP = "<blink onclick=alert(1)>"
PATTERN = "[a-z<blink>]+"
PAGES = [
    "",
    "settings/",
    "roles/",
    "members/invite/",
    "tenants/membership/",
    "tenants/group/",
    "tenants/group/add/",
    "tenants/project/",
    "tenants/project/add/",
    "tenants/project/{project}/change/",
    "tenants/project/{project}/transfer/",
    "tenants/project/{project}/grant_exception/",
    "tenants/membership/{member}/change/",
    "members/{member}/projects/",
    "members/{member}/why/",
    "audit/",
    "search/?s=blink",
    "search/?s=%3Cblink",
]


@pytest.mark.parametrize(
    "naming", [{"project_naming_hint": MARKUP, "project_naming_pattern": "[a-z]+"}, {"project_naming_pattern": PATTERN}]
)
def test_markup_in_an_organization_is_shown_as_text(acme: Tenant, naming: dict[str, Any]) -> None:
    update_user(user=acme.member, actor=SYSTEM, name=MARKUP)
    with acme.acting("owner") as actor:
        update_organization(
            organization=acme.organization, actor=actor, name=MARKUP, default_role=acme.role("viewer"), **naming
        )
        create_group(organization=acme.organization, name=MARKUP, description=MARKUP, actor=actor)
        create_role(organization=acme.organization, name=MARKUP, description=MARKUP, permissions=[], actor=actor)
        update_project(project=acme.project, name=MARKUP, description=MARKUP, environment="staging", actor=actor)
        member = acme.membership("member").pk
    client = signed_in(acme.owner)
    for page in PAGES:
        address = f"/o/acme/{page.format(project=acme.project.pk, member=member)}"
        response = client.get(address, headers={"User-Agent": MARKUP})
        assert response.status_code == 200, address
        assert "<blink" not in response.text, address
    refused = client.post("/o/acme/tenants/project/add/", {"name": "x", "slug": "1", "environment": "staging"})
    assert "<blink" not in refused.text


@pytest.mark.parametrize(
    "naming",
    [
        {"organization_naming_hint": MARKUP, "organization_naming_pattern": "[a-z]+"},
        {"organization_naming_pattern": PATTERN},
    ],
)
def test_markup_in_the_installations_hints_is_shown_as_text(acme: Tenant, naming: dict[str, str]) -> None:
    update_installation_settings(actor=SYSTEM, **naming)
    client = signed_in(acme.viewer)
    assert "<blink" not in client.get("/organizations/new/").text
    assert "&lt;blink" in client.get("/organizations/new/").text
    assert "<blink" not in client.post("/organizations/new/", {"name": "x", "slug": "1"}).text
