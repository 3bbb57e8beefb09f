"""Export: whatever an organization holds, its file plans empty; and applying any file twice changes nothing."""

import json
from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from portal.blueprint.document import understand
from portal.blueprint.drawing import generate
from portal.blueprint.engine import Engine
from portal.blueprint.exporting import export
from portal.blueprint.reader import parse
from portal.blueprint.schema import FILE, SECTIONS, published
from tenants.lookups import organization_id_of
from tenants.models import Project
from tenants.permissions import BuiltinRole, P
from tenants.services.groups import create_group
from tenants.services.invitations import invite_member
from tenants.services.projects import update_project
from tests.blueprint.conftest import File, exported
from tests.people import Tenant

EMPTY = (0, "No changes: everything is as the blueprint says.\n")
PEOPLE = [f"{role}@acme.example" for role in BuiltinRole]
GUESTS = ["guest@acme.example", "other@example.org"]
PROJECTS = ["chatbot", "search", "no", "12"]
CUSTOM = ["reader", "writer_2", "true"]
GROUPS = ["On call", "no", "<<", "a: b", "# x", "Éva – “team”", "'quoted'", "null"]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
names = st.sampled_from(["Name", "no", "1e3", " spaced ", "- dash", "ünï", "{a}", "*x", "&y", "2026-01-01", "~x"])
roles = st.sampled_from(["admin", "member", "viewer", "auditor", "none", *CUSTOM])
project_roles = st.dictionaries(st.sampled_from(PROJECTS), roles, max_size=2)


values = st.recursive(
    st.none()
    | st.booleans()
    | texts
    | names
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts | st.sampled_from(GROUPS), values, max_size=3)


def entry(**fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


organizations = st.fixed_dictionaries(
    {
        "roles": st.fixed_dictionaries(
            {
                key: st.fixed_dictionaries(
                    {"permissions": st.lists(st.sampled_from([name.value for name in P]), unique=True, max_size=5)},
                    optional={"description": texts},
                )
                for key in CUSTOM
            }
        ),
        "projects": st.fixed_dictionaries(
            {
                slug: entry(
                    name=names,
                    description=texts,
                    metadata=objects,
                    environment=st.sampled_from(["production", "staging"]),
                )
                for slug in PROJECTS
            }
        ),
    },
    optional={
        "name": names,
        "settings": entry(
            default_role=st.none() | roles,
            project_naming_hint=texts,
            api_key_max_days=st.none() | st.integers(1, 3650),
        ),
        "prune": st.just(["groups"]) | st.just(["service_accounts"]) | st.booleans(),
        "members": st.dictionaries(
            st.sampled_from([*PEOPLE[1:], *GUESTS]),
            st.fixed_dictionaries({"role": roles}, optional={"active": st.booleans(), "projects": project_roles}),
        ).map(lambda members: {PEOPLE[0]: {"role": "owner"}, **members}),
        "groups": st.dictionaries(
            st.sampled_from(GROUPS),
            entry(
                description=texts,
                members=st.lists(st.sampled_from(PEOPLE[:1]), unique=True),
                role=roles,
                projects=project_roles,
            ),
        ),
        "service_accounts": st.dictionaries(
            st.sampled_from(["Bot", "no", "e: f"]),
            st.fixed_dictionaries(
                {"role": roles},
                optional={
                    "description": texts,
                    "kind": st.sampled_from(["service", "agent"]),
                    "active": st.booleans(),
                    "projects": project_roles,
                },
            ),
        ),
    },
)


def changes(text: str) -> list[Any]:
    return [change for plan in Engine(understand(parse(text, name="f")), SYSTEM).plan() for change in plan.changes]


@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(organization=organizations)
def test_any_file_is_true_after_one_apply_and_its_export_plans_empty(acme: Tenant, organization: dict) -> None:
    organization = {**organization}
    if isinstance(organization.get("prune"), list) and organization["prune"][0] not in organization:
        del organization["prune"]
    text = yaml.safe_dump({"version": 1, "organizations": {"acme": organization}}, allow_unicode=True)
    engine = Engine(understand(parse(text, name="f")), SYSTEM)
    engine.plan()
    list(engine.apply())
    assert changes(text) == []
    assert changes(export(["acme"], actor=SYSTEM)) == []


@pytest.mark.django_db
def test_what_was_made_by_hand_is_exported_too(acme: Tenant, file: File) -> None:
    with acme.acting("owner") as actor:
        invite_member(organization=acme.organization, email=GUESTS[0], role=acme.role("viewer"), actor=actor)
        invite_member(organization=acme.organization, email="owner@globex.example", role=None, actor=actor)
        create_group(organization=acme.organization, name="On call", description="Lines\nand\ttabs", actor=actor)
    data = yaml.safe_load(exported("acme"))
    acme_data = data["organizations"]["acme"]
    assert acme_data["members"][GUESTS[0]] == {"role": "viewer"}
    assert acme_data["groups"] == {"On call": {"description": "Lines\nand\ttabs"}}
    assert acme_data["projects"] == {"chatbot": {"name": "Chatbot", "environment": "development"}}
    assert file.write(exported("acme")).plan() == EMPTY


METADATA = {
    "team": "support",
    "numbers": [0, -7, 1.5, -0.0, 1e-7, 5e-324, 1e16, 1.7e308, 0.1, 10**18, -(10**400)],
    "words": [
        "1.5",
        "1e5",
        "1.5e5",
        "1.5e+5",
        "12",
        "true",
        "~",
        "null",
        "",
        "no",
        "<<",
        "2026-01-01",
        " a\n\tb ",
        "=",
        "0x1F",
    ],
    "<<": {"": None, "?": True, "secret": "not a reference", "password": {"env": "X"}},
    "a: b #": [[], {}, [[{"k" * 200: False}]]],
}


def nested(levels: int) -> dict[str, Any]:
    value: Any = "leaf"
    for _ in range(levels):
        value = {"in": value}
    return {"in": value}


@pytest.mark.django_db
@pytest.mark.parametrize("metadata", [METADATA, nested(19), {"long": "x y " * 1_900}], ids=["kinds", "deep", "long"])
def test_metadata_of_any_form_comes_back_as_it_is(acme: Tenant, file: File, metadata: dict[str, Any]) -> None:
    with acme.acting("owner") as actor:
        update_project(project=acme.project, name="Chatbot", environment="development", metadata=metadata, actor=actor)
    text = exported("acme")
    assert file.write(text).plan() == EMPTY
    with tenant_scope(acme.organization):
        before = Project.objects.get().metadata
    file.write(text.replace("  acme:", "  initech:").replace("name: Acme", "name: Initech")).apply()
    assert file.plan() == EMPTY
    with tenant_scope(organization_id_of("initech")):
        assert json.dumps(Project.objects.get().metadata) == json.dumps(before)


@pytest.mark.django_db
def test_the_export_of_one_installation_builds_the_same_in_another(acme: Tenant, globex: Tenant, file: File) -> None:
    with acme.acting("owner") as actor:
        create_group(organization=acme.organization, name="On call", actor=actor)
    text = exported("acme").replace("  acme:", "  initech:").replace("name: Acme", "name: Initech")
    file.write(text).apply()
    assert file.plan() == EMPTY
    again = exported("initech").replace("  initech:", "  acme:").replace("name: Initech", "name: Acme")
    assert yaml.safe_load(again) == yaml.safe_load(exported("acme"))


@pytest.mark.django_db
def test_only_what_is_named_is_exported(acme: Tenant, globex: Tenant, tmp_path) -> None:
    assert "globex" not in exported("acme")
    target = tmp_path / "both.yaml"
    assert call_command("blueprint", "export", "acme", "globex", "--output", str(target), stdout=StringIO())
    assert list(yaml.safe_load(target.read_text(encoding="utf-8"))["organizations"]) == ["acme", "globex"]


def test_the_checked_in_schema_is_what_the_code_draws() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == generate(), (
        "run: manage.py shell -c 'from portal.blueprint.drawing import write; write()'"
    )


def test_the_command_prints_it() -> None:
    assert json.loads(str(call_command("blueprint", "schema", stdout=StringIO()))) == published()


def test_every_section_is_in_it() -> None:
    assert set(SECTIONS) <= set(published()["$defs"]["organization"]["properties"])


@pytest.mark.django_db
def test_pruning_without_sections_removes_nothing(acme: Tenant, file: File) -> None:
    assert file.write("version: 1\norganizations:\n  acme:\n    prune: true\n").plan() == EMPTY
