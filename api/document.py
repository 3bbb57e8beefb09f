"""The OpenAPI document, and the page that shows it; both are for everybody."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from .conditional import etag_of, is_unchanged
from .operation import PUBLIC, operation
from .views import ApiView

TAG = "About this API"
_CACHING = {"Cache-Control": "public, max-age=300"}


@cache
def document() -> dict[str, Any]:
    """Return the document; it depends on the code alone."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


@cache
def _as_json() -> bytes:
    return bytes(OpenApiJsonRenderer().render(document()))


@cache
def _as_yaml() -> bytes:
    return bytes(OpenApiYamlRenderer().render(document()))  # type: ignore[no-untyped-call]


class OpenApiJson(ApiView):
    """The document as JSON."""

    tag = TAG

    @operation("getOpenApiJson", "Return this document as JSON", permission=PUBLIC, media_types=["application/json"])
    def get(self) -> HttpResponse:
        """Client generators and test tools read it."""
        return _served(self.request, _as_json(), "application/json")


class OpenApiYaml(ApiView):
    """The document as YAML."""

    tag = TAG

    @operation("getOpenApiYaml", "Return this document as YAML", permission=PUBLIC, media_types=["application/yaml"])
    def get(self) -> HttpResponse:
        """The same as the JSON document."""
        return _served(self.request, _as_yaml(), "application/yaml")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the document. Nothing is loaded from another host."""
    return render(request, "api/docs.html")


def _served(request: Any, content: bytes, content_type: str) -> HttpResponse:
    etag = etag_of(content)
    if is_unchanged(request, etag):
        return HttpResponse(status=304, headers={"ETag": etag, **_CACHING})
    return HttpResponse(content, content_type=content_type, headers={"ETag": etag, **_CACHING})
