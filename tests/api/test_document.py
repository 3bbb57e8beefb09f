"""The OpenAPI document and its page."""

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from api.document import document


def test_anybody_may_read_it(db: None) -> None:
    response = Client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.1")
    assert "/api/v1/me" in response.json()["paths"]
    assert Client().get("/api/v1/openapi.yaml").content.startswith(b"openapi: 3.1")
    etag = response["ETag"]
    assert Client().get("/api/v1/openapi.json", headers={"If-None-Match": etag}).status_code == 304


def test_every_operation_says_what_it_needs_and_shows_an_example() -> None:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            where = f"{method} {path}"
            assert operation["x-required-permission"], where
            assert operation["description"], where
            assert operation["operationId"], where
            for status, response in operation["responses"].items():
                for media in response.get("content", {}).values():
                    if "type" not in media["schema"] or "properties" in media["schema"]:
                        assert "example" in media, (where, status)
            if "requestBody" in operation:
                assert "example" in operation["requestBody"]["content"]["application/json"], where


def test_nothing_of_it_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    SchemaGenerator().get_schema(request=None, public=True)
    assert capsys.readouterr().err == ""


def test_no_operation_id_is_used_twice() -> None:
    ids = [operation["operationId"] for item in document()["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
