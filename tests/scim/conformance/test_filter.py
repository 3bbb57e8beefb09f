"""F1 to F12: filters find what they say, literally, and what they cannot understand is refused."""

from typing import Any

import pytest

from accounts.models import ScimConnection
from tests.people import Tenant
from tests.scim.stage import ENTERPRISE, LIST_RESPONSE, USER, Scim, connection_of, refused, token_of

PEOPLE: dict[str, dict[str, Any]] = {
    "grace": {
        "title": "Admiral",
        "externalId": "Ext-Grace",
        "nickName": "Amazing",
        "emails": [
            {"primary": True, "type": "work", "value": "grace@acme.example"},
            {"type": "home", "value": "grace@home.example"},
        ],
        ENTERPRISE: {"employeeNumber": "7", "department": "Navy"},
    },
    "alan": {"title": "Fellow", "active": False, ENTERPRISE: {"department": "Bletchley"}},
    "linus": {"displayName": "Linus", "phoneNumbers": [{"type": "mobile", "value": "+358 1"}]},
}


@pytest.fixture
def crowd(scim: Scim) -> Scim:
    """Return acme's provider with four users: ada, grace, alan (inactive) and linus."""
    for name, attributes in PEOPLE.items():
        scim.user(name, **attributes)
    return scim


@pytest.mark.parametrize(("value", "count"), [("grace@acme.example", 1), ("nobody@acme.example", 0), ("grace", 0)])
def test_f1_user_name_eq(crowd: Scim, value: str, count: int) -> None:
    answer = crowd.get("/Users", filter=f'userName eq "{value}"')
    assert answer.status == 200
    assert answer.json["schemas"] == [LIST_RESPONSE]
    assert answer.json["totalResults"] == count
    assert len(answer.json.get("Resources", [])) == count


def test_f2_user_name_is_not_case_exact(crowd: Scim) -> None:
    assert crowd.names('userName eq "GRACE@ACME.EXAMPLE"') == ["grace"]
    assert crowd.names('userName sw "GRA"') == ["grace"]
    assert crowd.names('userName ne "GRACE@ACME.EXAMPLE"') == ["ada", "alan", "linus"]


@pytest.mark.parametrize(
    "query",
    [
        'USERNAME Eq "grace@acme.example"',
        'username EQ "grace@acme.example"',
        'DisplayName eq "Grace Hopper"',
        'NAME.GIVENNAME eq "Grace"',
        'userName eq "grace@acme.example" AND title PR',
        'NOT (userName eq "x") And (title SW "Adm" Or title eq "x")',
        'EMAILS[TYPE Eq "home"].VALUE eq "grace@home.example"',
    ],
)
def test_f3_names_and_operators_in_any_case(crowd: Scim, query: str) -> None:
    assert crowd.names(query) == ["grace"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('externalId eq "Ext-Grace"', ["grace"]),
        ("externalId eq Ext-Grace", ["grace"]),
        ('externalId eq "ext-grace"', []),
        ('externalId eq "EXT-GRACE"', []),
        ('externalId sw "Ext-"', ["grace"]),
        ('externalId eq "no-such"', []),
    ],
)
def test_f4_external_id_is_case_exact(crowd: Scim, query: str, names: list[str]) -> None:
    assert crowd.names(query) == names


def test_f4_external_id_is_the_connections_own(acme: Tenant, connection: ScimConnection, crowd: Scim) -> None:
    another = Scim(token_of(acme, connection_of(acme, "Entra ID")).secret)
    assert another.found('externalId eq "Ext-Grace"') == []
    assert another.get("/Users").json["totalResults"] == 0


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('emails[type eq "work"].value eq "grace@acme.example"', ["grace"]),
        ('emails[type eq "work"].value eq "grace@home.example"', []),
        ('emails[type eq "home"].value eq "GRACE@home.example"', ["grace"]),
        ('emails[type eq "work" and value eq "grace@home.example"]', []),
        ('emails[type eq "home" and value co "@home"]', ["grace"]),
        ('emails[type eq "home"]', ["grace"]),
        ('emails[not (type eq "work")]', ["grace"]),
        ('emails[primary eq true and value sw "grace"]', ["grace"]),
        ('phoneNumbers[type eq "mobile"].value sw "+358"', ["linus"]),
    ],
)
def test_f5_value_paths(crowd: Scim, query: str, names: list[str]) -> None:
    assert crowd.names(query) == names


@pytest.mark.parametrize("path", ["emails.value", "emails"])
def test_f6_emails_without_a_value_path(crowd: Scim, path: str) -> None:
    assert crowd.names(f'{path} eq "grace@home.example"') == ["grace"]
    assert crowd.names(f'{path} eq "nobody@home.example"') == []
    assert crowd.names('emails.type eq "home"') == ["grace"]


def test_f7_id_eq(crowd: Scim) -> None:
    assert crowd.names(f'id eq "{crowd.seed["id"]}"') == ["ada"]
    assert crowd.names('id eq "nonsense"') == []
    assert crowd.names(f'id ne "{crowd.seed["id"]}"') == ["alan", "grace", "linus"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('externalId eq "no-such" and userName pr', []),
        ('userName pr and externalId eq "no-such"', []),
        ('userName eq "grace@acme.example" and active eq true', ["grace"]),
        ('userName eq "grace@acme.example" and active eq false', []),
        ('userName eq "grace@acme.example" and title eq "Fellow"', []),
        ('title pr and active eq true and emails[type eq "home"] and externalId eq "Ext-Grace"', ["grace"]),
        (f'userName pr and {ENTERPRISE}:department eq "Navy"', ["grace"]),
        (" and ".join(["userName pr"] * 28), ["ada", "alan", "grace", "linus"]),
    ],
)
def test_f8_no_clause_of_an_and_is_dropped(crowd: Scim, query: str, names: list[str]) -> None:
    assert crowd.names(query) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('userName sw "gra"', ["grace"]),
        ('userName ew "ce@acme.example"', ["grace"]),
        ('displayName co "nus"', ["linus"]),
        ("title pr", ["alan", "grace"]),
        ("not (title pr)", ["ada", "linus"]),
        ("not(title pr)", ["ada", "linus"]),
        ('title ne "Admiral"', ["ada", "alan", "linus"]),
        ("active eq false", ["alan"]),
        ("active ne true", ["alan"]),
        ("active eq true and not (title pr)", ["ada", "linus"]),
        ('title eq "Fellow" or title eq "Admiral"', ["alan", "grace"]),
        ('title eq "Fellow" or title eq "Admiral" and active eq true', ["alan", "grace"]),
        ('(title eq "Fellow" or title eq "Admiral") and active eq true', ["grace"]),
        ('not (title eq "Fellow" or title eq "Admiral")', ["ada", "linus"]),
        ("userName eq grace@acme.example", ["grace"]),
        ('meta.created gt "2019-01-01T00:00:00Z"', ["ada", "alan", "grace", "linus"]),
        ('meta.created lt "2019-01-01T00:00:00Z"', []),
        ('meta.lastModified ge "2019-01-01T00:00:00.000+02:00"', ["ada", "alan", "grace", "linus"]),
        ('meta.created le "2019-01-01T00:00:00Z" or title eq "Fellow"', ["alan"]),
        ('meta.resourceType eq "User" and title eq "Fellow"', ["alan"]),
        ('name.familyName eq "hopper" and title eq "fellow"', ["alan"]),
        ('nickName gt "Alpha"', ["grace"]),
    ],
)
def test_f9_all_operators(crowd: Scim, query: str, names: list[str]) -> None:
    assert crowd.names(query) == names


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (f'{USER}:userName eq "grace@acme.example"', ["grace"]),
        (f'{USER.upper()}:USERNAME eq "grace@acme.example"', ["grace"]),
        (f'{USER}:name.familyName eq "Hopper" and {USER}:title eq "Admiral"', ["grace"]),
        (f'{USER}:emails[type eq "home"]', ["grace"]),
        (f'{ENTERPRISE}:department eq "Navy"', ["grace"]),
        (f'{ENTERPRISE}:employeeNumber eq "7"', ["grace"]),
        (f"{ENTERPRISE}:department pr", ["alan", "grace"]),
    ],
)
def test_f10_fully_qualified_names(crowd: Scim, query: str, names: list[str]) -> None:
    assert crowd.names(query) == names


STRANGE = [
    '50% "off"',
    "under_score",
    "back\\slash",
    "Zoë Ünïcode 日本 🦊",
    "O'Hara; --",
    "a*b?c",
    "tab\there",
    "%s %(x)s {0}",
]


@pytest.mark.parametrize("value", STRANGE)
def test_f11_a_value_is_taken_literally(scim: Scim, value: str) -> None:
    created = scim.user("grace", displayName=value, externalId=value)
    quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    for query in (f'displayName eq "{quoted}"', f'externalId eq "{quoted}"', f'displayName co "{quoted[:4]}"'):
        if quoted[:4].endswith("\\") and "co" in query:
            continue
        assert [found["id"] for found in scim.found(query)] == [created["id"]], query


@pytest.mark.parametrize("wildcard", ["%", "_", "%@%", "a_a", "ad%", "\\\\", "*", ".*"])
def test_f11_nothing_is_a_wildcard(scim: Scim, wildcard: str) -> None:
    scim.user("under_score", displayName="100% sure")
    found = {operator: scim.names(f'userName {operator} "{wildcard}"') for operator in ("eq", "co", "sw", "ew")}
    expected = {"eq": [], "co": ["under_score"] if wildcard == "_" else [], "sw": [], "ew": []}
    assert found == expected


def test_f11_a_quotation_mark_does_not_end_the_value(scim: Scim) -> None:
    assert scim.names('userName eq "x\\" or userName pr or userName eq \\"x"') == []
    assert scim.names("userName eq \"x' OR '1'='1\"") == []


@pytest.mark.parametrize(
    "query",
    [
        'noSuch eq "x"',
        "noSuch pr",
        'userName eq "ada@acme.example" and noSuch eq "x"',
        'noSuch eq "x" and userName eq "ada@acme.example"',
        'userName eq "ada@acme.example" or noSuch eq "x"',
        "not (noSuch pr)",
        'userName like "x"',
        'userName = "x"',
        'name.noSuch eq "x"',
        'emails[noSuch eq "x"]',
        'emails.noSuch eq "x"',
        f'{USER}:noSuch eq "x"',
        f'{ENTERPRISE}:noSuch eq "x"',
        'urn:example:2.0:Nothing:userName eq "x"',
        'userName eq "x" and',
        'userName eq "x" xor userName pr',
        '(userName eq "x"',
        'userName eq "x")',
        'userName eq "x',
        "userName eq",
        "userName",
        "eq",
        "and",
        'not userName eq "x" and',
        "emails[",
        'emails[type eq "work"',
        "emails[]",
        'active gt "true"',
        'meta.created gt "yesterday"',
        'userName eq "x" userName eq "y"',
    ],
)
def test_f12_what_is_not_understood_is_refused(scim: Scim, query: str) -> None:
    refused(scim.get("/Users", filter=query), 400, "invalidFilter")


@pytest.mark.parametrize("query", ['userName eq "x"', 'noSuch eq "x"', 'members[noSuch eq "x"]', "displayName"])
def test_f12_on_groups_too(scim: Scim, query: str) -> None:
    refused(scim.get("/Groups", filter=query), 400, "invalidFilter")


def test_f12_a_deep_filter_is_answered(scim: Scim) -> None:
    deep = "(" * 200 + "userName pr" + ")" * 200
    answer = scim.get("/Users", filter=deep)
    assert answer.status == 200 or answer.json["scimType"] == "invalidFilter"
    refused(scim.get("/Users", filter="(" * 5000), 400, "invalidFilter")
