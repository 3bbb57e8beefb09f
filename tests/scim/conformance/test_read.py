"""R1 to R3: reading one user, an unknown one, and with a bad token."""

import pytest

from tests.scim.stage import ERROR, NOBODY, Scim, is_full, operation, refused, where


def test_r1_a_user_is_read(scim: Scim) -> None:
    answer = scim.get(where(scim.seed))
    assert answer.status == 200
    assert answer.json == scim.seed
    is_full(answer.json, "User")
    assert answer.headers["Location"] == scim.seed["meta"]["location"]


def test_r1_an_inactive_user_is_read(scim: Scim) -> None:
    scim.change(scim.seed, operation("replace", "active", value=False))
    answer = scim.get(where(scim.seed))
    assert answer.status == 200
    assert answer.json["active"] is False
    assert [found["active"] for found in scim.found('userName eq "ada@acme.example"')] == [False]


@pytest.mark.parametrize("path", ["/Users", "/Groups"])
@pytest.mark.parametrize("name", [NOBODY, "no-such-id", "1", "%00", "a" * 300, "é", "%F0%9F%98%80"])
def test_r2_an_unknown_id_is_not_found(scim: Scim, path: str, name: str) -> None:
    for answer in (
        scim.get(f"{path}/{name}"),
        scim.delete(f"{path}/{name}"),
        scim.patch(f"{path}/{name}", {"schemas": [], "Operations": [operation("replace", "displayName", "x")]}),
    ):
        assert answer.status == 404
        assert answer.json["schemas"] == [ERROR]
        assert answer.json["status"] == "404"
        assert answer.json["detail"]


def test_r2_an_unknown_endpoint_is_not_found(scim: Scim) -> None:
    for path in ("/Devices", "/", "", "/Users/a/b", "/Schemas/urn:no", "/ResourceTypes/Device"):
        refused(scim.get(path), 404)


PLACES = ["/Users", f"/Users/{NOBODY}", "/Groups", f"/Groups/{NOBODY}", "/Me", "/Bulk", "/.search", "/Users/.search"]
PLACES += ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/no-such-thing"]


@pytest.mark.parametrize(
    "secret", ["", "nonsense", "gatesk_scm_prod_0000000000000000000000000000000000000000000000000"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_r3_without_a_good_token_everything_is_401(db: None, secret: str, method: str) -> None:
    for path in PLACES:
        answer = Scim(secret).raw(method, path, b"{}" if method != "GET" else b"")
        assert answer.status == 401, path
        assert answer.json["schemas"] == [ERROR]
        assert answer.json["status"] == "401"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer ", "Token x", "Bearer a b", "\x00", "Bearer é"])
def test_r3_a_header_that_is_none(scim: Scim, header: str) -> None:
    assert scim.get("/Users", headers={"Authorization": header}).status == 401


def test_r3_a_truncated_or_changed_token_is_none(scim: Scim) -> None:
    for secret in (scim.secret[:-1], scim.secret + "a", scim.secret.swapcase(), scim.secret[:-1] + "?"):
        assert Scim(secret).get("/Users").status == 401
