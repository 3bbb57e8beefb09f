"""Draws the OpenAPI document from what the operations declare; nothing in it is written by hand."""

import inspect
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from . import reference
from .operation import NO_PERMISSION, PUBLIC, Operation
from .query import FIELDS, parameters_of
from .serializers import Body, Change
from .views import ApiView

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"basic": []}, {"session": [], "csrf": []}, {"session": []}]
_READING = {"GET"}


class OperationSchema(AutoSchema):
    """One operation of the document."""

    @property
    def endpoint(self) -> ApiView:
        """Return the view."""
        return cast("ApiView", self.view)

    @property
    def declared(self) -> Operation:
        """Return what the handler declares."""
        found = self.endpoint.operation_of(self.method)
        assert isinstance(found, Operation), f"{self.method} {self.path} declares no operation"  # noqa: S101 - as it says
        return found

    def get_operation_id(self) -> str:
        """Return the declared id."""
        return self.declared.id

    def get_summary(self) -> str:
        """Return the declared summary."""
        return self.declared.summary

    def get_description(self) -> str:  # type: ignore[override]  # as AutoSchema itself has it
        """Return the handler's docstring and what it needs."""
        text = inspect.getdoc(getattr(self.view, self.method.lower())) or ""
        permission = self.declared.permission
        names = " and ".join(f"`{name}`" for name in (permission, *self.declared.also))
        several = "permissions" if self.declared.also else "permission"
        needed = "" if permission in NO_PERMISSION else f"\n\nNeeds the {several} {names}."
        return text + needed

    def get_tags(self) -> list[str]:
        """Return the view's heading."""
        return [self.endpoint.tag]

    def get_auth(self) -> list[Any]:
        """Return which credentials are taken."""
        if self.declared.permission == PUBLIC:
            return []
        return SECURITY[:3] if self.method not in _READING else [*SECURITY[:2], SECURITY[3]]

    def get_extensions(self) -> dict[str, Any]:
        """Return the permission, from which the matrix of the tests is made."""
        anywhere = {"x-permission-anywhere": True} if self.declared.anywhere else {}
        also = {"x-also-required-permissions": list(self.declared.also)} if self.declared.also else {}
        return {"x-required-permission": self.declared.permission, **anywhere, **also}

    def get_override_parameters(self) -> list[Any]:
        """Return the query parameters and the headers that the operation takes."""
        query = [
            OpenApiParameter(
                name,
                type=self._plain(field),
                description=str(field.help_text or ""),
                required=name in self.declared.filters and self.declared.filters[name].required,
            )
            for name, field in parameters_of(self.declared, self.method).items()
        ]
        return [*query, *(OpenApiParameter(**facts) for facts in self._headers())]

    def _plain(self, field: serializers.Field[Any, Any, Any, Any]) -> dict[str, Any]:
        schema = dict(self._map_serializer_field(field, "request"))  # type: ignore[no-untyped-call]
        schema.pop("description", None)
        return schema

    def _headers(self) -> list[dict[str, Any]]:
        found = []
        conditional = self.has_etag()
        if self.method == "POST" and self.declared.permission != PUBLIC:
            found.append(reference.IDEMPOTENCY_KEY)
        if conditional and self.method in _READING:
            found.append(reference.IF_NONE_MATCH)
        if conditional and self.method in {"PUT", "PATCH", "DELETE"}:
            found.append(reference.IF_MATCH)
        return found

    def has_etag(self) -> bool:
        """Return whether the address shows a single object."""
        shown = self.endpoint.operation_of("get")
        return shown is not None and shown.response is not None and not shown.listing

    # Bodies -----------------------------------------------------------------------------------------

    def get_request_serializer(self) -> Any:
        """Return the declared serializer of the body."""
        return self.declared.request

    def get_response_serializers(self) -> Any:
        """Return the declared serializer of the answer."""
        return self.declared.response

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # pages are described by `_media`

    def _get_request_body(self, direction: Any = "request") -> Any:
        if self.declared.request is None:
            return None
        component = self.resolve_serializer(self.declared.request, "request")
        media: dict[str, Any] = {"schema": component.ref}
        if self.declared.request_example is not None:
            media["example"] = self.declared.request_example
        return {"required": True, "content": {"application/json": media}}

    def _map_serializer(self, serializer: Any, direction: Any, *args: Any, **options: Any) -> Any:
        schema = super()._map_serializer(serializer, direction, *args, **options)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Body):
            schema["additionalProperties"] = False
            for name, field in serializer.fields.items():
                if isinstance(field, serializers.CharField) and not field.allow_blank and name in schema["properties"]:
                    schema["properties"][name].setdefault("minLength", 1)
        if isinstance(serializer, Change):
            schema.pop("required", None)
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        declared = self.declared
        responses = {str(int(declared.status)): self._success()}
        if self.has_etag() and self.method in _READING:
            responses["304"] = {"description": "Unchanged since the ETag in If-None-Match."}
        for status in self._problem_statuses():
            responses[str(int(status))] = {"$ref": f"#/components/responses/{reference.name_of(status)}"}
        return responses

    def _success(self) -> dict[str, Any]:
        declared = self.declared
        names = ["X-Request-ID", "RateLimit", "RateLimit-Policy"]
        answer: dict[str, Any] = {"description": HTTPStatus(declared.status).phrase}
        if declared.media_types:
            answer["content"] = {media_type: {"schema": _raw(media_type)} for media_type in declared.media_types}
        elif declared.response is not None:
            answer["content"] = {"application/json": self._media()}
            names += self._validator_names()
        else:
            answer["description"] = "Done; there is no body."
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        return answer

    def _validator_names(self) -> list[str]:
        if self.declared.listing:
            return ["Link"]
        created = ["Location"] if self.declared.status == HTTPStatus.CREATED else []
        return [*created, "ETag"] if self.has_etag() else created

    def _media(self) -> dict[str, Any]:
        declared = self.declared
        schema = self._shown()
        example = declared.example
        if declared.listing:
            schema = reference.page_schema(schema)
            example = None if example is None else {"data": [example], "next": None, "previous": None}
        return {"schema": schema} | ({} if example is None else {"example": example})

    def _shown(self) -> dict[str, Any]:
        """Return the schema of one object; where `fields` may cut it, either whole or with some of its members."""
        assert self.declared.response is not None  # noqa: S101 - only called for operations with an answer
        component = self.resolve_serializer(self.declared.response, "response")
        if FIELDS not in parameters_of(self.declared, self.method):
            return dict(component.ref)
        cut = ResolvedComponent(  # type: ignore[no-untyped-call]
            name=f"{component.name}Fields",
            type=ResolvedComponent.SCHEMA,
            schema={
                "type": "object",
                "description": f"What `fields` leaves of {component.name}.",
                "properties": component.schema["properties"],
                "additionalProperties": False,
                "minProperties": 1,
            },
            object=f"{component.name}Fields",
        )
        self.registry.register_on_missing(cut)
        return {"anyOf": [component.ref, cut.ref]}

    def _problem_statuses(self) -> list[int]:
        """Return the statuses of the errors that the operation may end in, in order."""
        declared = self.declared
        found = {HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, *declared.problems}
        if not declared.media_types:
            found.add(HTTPStatus.NOT_ACCEPTABLE)
        if declared.permission != PUBLIC:
            found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        if "{" in self.path:
            found.add(HTTPStatus.NOT_FOUND)
        if self.method not in _READING:
            found |= {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
            found |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
            if self.has_etag():
                found.add(HTTPStatus.PRECONDITION_FAILED)
        return sorted(found)


def _raw(media_type: str) -> dict[str, Any]:
    """Return the schema of what a handler writes itself: an object of a format that has them, or text."""
    return {"type": "object" if media_type.endswith(("/json", "/yaml")) else "string"}


def complete(result: Mapping[str, Any], **_: Any) -> dict[str, Any]:
    """Add the parts that operations refer to (a hook of drf-spectacular)."""
    components = dict(result.get("components", {}))
    components["responses"] = reference.responses()
    components["headers"] = reference.HEADERS
    components["securitySchemes"] = reference.SECURITY_SCHEMES
    components["schemas"] = {**components.get("schemas", {}), **reference.SCHEMAS}
    return {**result, "components": components}
