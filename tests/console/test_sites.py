"""Who may enter a console, what its frame shows, and where its sign-in links lead."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, set_script_prefix

from console.access import actor_of
from console.pages import Page
from console.sites import TenantSite, operator_site, tenant_site
from isolation.scope import tenant_scope
from tenants.models import Project
from tenants.permissions import P
from tests.console import stage
from tests.console.stage import redirected


def test_a_stranger_learns_nothing_about_the_organization(
    staged: None, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    stage.scene.user, stage.scene.organization = globex.user, acme.organization
    stage.scene.actor = stage.actor_with(globex.user, globex.organization.pk, *P)

    for url in ("/", "/tenants/project/", f"/tenants/project/{acme.project.pk}/change/", "/search/?s=acme", "/matrix/"):
        response = Client().get(url)
        assert response.status_code == 404
        assert b"acme project" not in response.content


def test_nobody_signed_in_is_led_to_sign_in_and_back(staged: None) -> None:
    stage.scene.user = None

    assert redirected(Client().get("/tenants/project/?q=a")) == "/accounts/login/?next=%2Ftenants%2Fproject%2F%3Fq%3Da"


def test_an_operator_without_support_mode_stays_outside(staged: None, acme: SimpleNamespace) -> None:
    acme.user.is_operator = True
    stage.scene.user = acme.user

    assert Client().get("/").status_code == 404


def test_a_scope_of_another_organization_keeps_the_console_shut(
    rf: RequestFactory, acme: SimpleNamespace, globex: SimpleNamespace
) -> None:
    request: Any = rf.get("/")
    request.user, request.organization = acme.user, acme.organization
    request.actor = stage.actor_with(acme.user, acme.organization.pk, *P)

    assert not stage.site.has_permission(request)
    with tenant_scope(globex.organization):
        assert not stage.site.has_permission(request)
    with tenant_scope(acme.organization):
        assert stage.site.has_permission(request)
        request.user.is_active = False
        assert not stage.site.has_permission(request)


def test_the_operator_console_is_for_active_operators(rf: RequestFactory) -> None:
    def allowed(**user: Any) -> bool:
        request: Any = rf.get("/")
        request.user = SimpleNamespace(**{"is_active": True, "is_staff": True, "is_authenticated": True, **user})
        return operator_site.has_permission(request)

    assert allowed(is_operator=True)
    assert not allowed(is_operator=False)
    assert not allowed(is_operator=True, is_active=False)
    assert not allowed()
    request = rf.get("/")
    request.user = AnonymousUser()
    assert not operator_site.has_permission(request)
    assert redirected(operator_site.turn_away(request)) == "/accounts/login/?next=%2F"
    with pytest.raises(PermissionDenied, match="operators"):
        operator_site.refuse_entry()
    with pytest.raises(Http404):
        tenant_site.refuse_entry()
    assert actor_of(request).id is None


def test_account_pages_are_the_portals_and_ignore_the_script_prefix(admin: Client) -> None:
    set_script_prefix("/o/acme/")
    try:
        assert redirected(admin.get("/password_change/")) == "/accounts/password/change/"
        response = admin.post("/logout/")
    finally:
        set_script_prefix("/")

    assert (response.status_code, response["Location"]) == (307, "/accounts/logout/")
    assert redirected(admin.get("/login/")) == "/accounts/login/?next=%2F"
    assert admin.get("/password_change/done/").status_code == 404


@pytest.mark.parametrize("site", [operator_site, tenant_site, stage.site])
def test_leaking_routes_are_not_there(site: Any) -> None:
    names = {url.name for url in site.get_urls() if isinstance(url, URLPattern)}

    assert "view_on_site" not in names
    assert {"index", "search", "autocomplete", "jsi18n"} <= names
    assert list(site.actions) == []


def test_the_overview_has_cards_of_what_may_be_opened(enter: Any) -> None:
    page = enter(P.PROJECTS_READ).get("/").content.decode()
    assert 'href="/tenants/project/"' in page
    assert "What your teams build." in page
    assert "/tenants/membership/" not in page
    assert "/matrix/" not in page

    page = enter(P.ROLES_READ).get("/").content.decode()
    assert 'href="/matrix/"' in page
    assert "Roles &lt;matrix&gt;" in page
    assert "Roles <matrix>" not in page

    assert "Nothing is open to you here yet" in enter().get("/").content.decode()


def test_the_sidebar_marks_the_current_page(admin: Client, acme: SimpleNamespace) -> None:
    sidebar = admin.get(f"/tenants/project/{acme.project.pk}/change/").context["sidebar_navigation"]

    assert [group["title"] for group in sidebar] == ["", "Access", "Projects"]
    active = [item["link"] for group in sidebar for item in group["items"] if item["active"]]
    assert active == ["/tenants/project/"]
    overview = admin.get("/").context["sidebar_navigation"]
    assert [i["link"] for g in overview for i in g["items"] if i["active"]] == ["/"]


def test_an_app_with_nothing_to_open_does_not_exist(enter: Any) -> None:
    assert redirected(enter(P.PROJECTS_READ).get("/tenants/")) == "/"
    assert enter().get("/tenants/").status_code == 404
    assert enter(*P).get("/accounts/").status_code == 404


def test_a_page_is_shown_in_the_sites_frame(admin: Client) -> None:
    page = admin.get("/matrix/").content.decode()

    assert "Who may do what." in page
    assert 'id="nav-sidebar"' in page


def test_two_pages_cannot_share_a_name() -> None:
    site = TenantSite(name="other")
    site.page("a/", name="a", title="A", permission=None)(stage.matrix)

    assert isinstance(site.pages[0], Page)
    with pytest.raises(ValueError, match="named 'a'"):
        site.page("b/", name="a", title="B", permission=None)


def test_support_mode_and_organizations_are_shown_when_the_portal_provides_them(
    admin: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = {
        "organizations": [
            {"name": "Acme <b>", "slug": "acme", "url": "/o/acme/", "current": True},
            {"name": "Globex", "slug": "globex", "url": "/o/globex/", "current": False},
        ],
        "support": {"reason": "ticket <7>", "until": None, "leave_url": "/support/leave/"},
    }
    original = stage.site.each_context
    monkeypatch.setattr(stage.site, "each_context", lambda request: {**original(request), "console": console})

    page = admin.get("/").content.decode()

    assert 'href="/o/globex/"' in page
    assert "Acme &lt;b&gt;" in page
    assert "ticket &lt;7&gt;" in page
    assert 'action="/support/leave/"' in page


def test_members_have_the_command_palette_too(admin: Client) -> None:
    assert 'name="s"' in admin.get("/").content.decode()


def test_lists_of_many_rows_stop_counting(admin: Client, acme: SimpleNamespace, monkeypatch: Any) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        for number in range(8):
            Project.objects.create(organization=acme.organization, slug=f"p{number}", name=f"p{number}")
    monkeypatch.setattr("console.lists.COUNT_CAP", 5)

    response = admin.get("/tenants/project/")

    assert "more than 5" in re.sub(r"\s+", " ", response.content.decode())
    assert admin.get("/tenants/project/?p=99999").status_code == 200


def test_empty_lists_say_what_to_do_next(admin: Client, acme: SimpleNamespace) -> None:
    assert "Nothing matches" in admin.get("/tenants/project/?q=zzz").content.decode()
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        Project.objects.all().delete()
    page = admin.get("/tenants/project/").content.decode()
    assert "No projects yet" in page
    assert "New project" in page


def test_the_history_of_a_row_is_the_audit_logs(admin: Client, acme: SimpleNamespace, monkeypatch: Any) -> None:
    url = f"/tenants/project/{acme.project.pk}/"
    assert admin.get(f"{url}history/").status_code == 404
    assert "history/" not in admin.get(f"{url}change/").content.decode()

    def history_url(self: Any, request: Any, obj: Any) -> str:
        return f"/audit/?target={obj.pk}"

    monkeypatch.setattr(stage.ProjectAdmin, "history_url", history_url)
    assert redirected(admin.get(f"{url}history/")) == f"/audit/?target={acme.project.pk}"
    assert f"{url}history/" in admin.get(f"{url}change/").content.decode()


@pytest.mark.parametrize("rows", [1, 30])
def test_a_list_costs_the_same_however_many_rows(admin: Client, acme: SimpleNamespace, rows: int) -> None:
    with tenant_scope(acme.organization):
        stage.attribute(acme.organization.pk)
        for number in range(rows):
            Project.objects.create(organization=acme.organization, slug=f"p{number}", name=f"p{number}")
    admin.get("/tenants/project/")

    with CaptureQueriesContext(connection) as queries:
        admin.get("/tenants/project/")

    # The scope, the count, the rows, and the switcher where the request does not carry the memberships yet.
    reads = [query["sql"] for query in queries.captured_queries if "tenants_project" in query["sql"]]
    assert len(reads) == 2
    assert len(queries) <= 8, "\n".join(query["sql"][:150] for query in queries.captured_queries)


def test_nothing_is_fetched_from_elsewhere(admin: Client, acme: SimpleNamespace) -> None:
    for url in ("/", "/tenants/project/", f"/tenants/project/{acme.project.pk}/change/", "/matrix/"):
        page = admin.get(url).content.decode()
        sources = re.findall(r"(?:src|href|hx-get|action)=[\"']([^\"']+)", page)
        assert sources
        assert not [source for source in sources if re.match(r"(?:https?:)?//", source)]
    for style in Path(apps.get_app_config("console").path).rglob("*.css"):
        assert "url(" not in style.read_text()
