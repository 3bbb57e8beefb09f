"""What this server says about itself (RFC 7643 sections 5 to 7): exactly what it stores and does."""

from functools import cache
from typing import Any

from scim2_models import Context

from .errors import not_found
from .listing import DEFAULT_COUNT, LIST_RESPONSE, MOST_RESULTS
from .resources import CORE_GROUP, CORE_USER, ENTERPRISE_USER, EnterpriseUser, Group, User

DOCUMENTATION = "https://www.rfc-editor.org/rfc/rfc7644"
MOST_BULK_OPERATIONS = 1_000
MOST_BULK_BYTES = 1_048_576
_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
_RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
_MODELS: dict[str, Any] = {CORE_USER: User, CORE_GROUP: Group, ENTERPRISE_USER: EnterpriseUser}


def service_provider_config(base_url: str, *, tells_pagination: bool) -> dict[str, Any]:
    """Return what the server can do.

    Args:
        base_url: of this server.
        tells_pagination: whether the client can read what RFC 9865 added to RFC 7643.
    """
    pagination = {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": DEFAULT_COUNT,
        "maxPageSize": MOST_RESULTS,
    }
    return {
        "schemas": [_CONFIG],
        "documentationUri": DOCUMENTATION,
        "patch": {"supported": True},
        "bulk": {
            "supported": True,
            "maxOperations": MOST_BULK_OPERATIONS,
            "maxPayloadSize": MOST_BULK_BYTES,
        },
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        **({"pagination": pagination} if tells_pagination else {}),
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "OAuth Bearer Token",
                "description": "A token of the connection, as Authorization: Bearer.",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
                "primary": True,
            },
            {
                "type": "oauth2",
                "name": "OAuth 2.0 client credentials",
                "description": f"The token endpoint is {base_url}/oauth2/token.",
                "specUri": "https://www.rfc-editor.org/rfc/rfc6749#section-4.4",
                "primary": False,
            },
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }


def resource_types(base_url: str) -> list[dict[str, Any]]:
    """Return the types of resources that the server has."""
    described: tuple[tuple[str, str, str, str, list[dict[str, Any]]], ...] = (
        ("User", "/Users", "A person", CORE_USER, [{"schema": ENTERPRISE_USER, "required": False}]),
        ("Group", "/Groups", "A set of people", CORE_GROUP, []),
    )
    return [
        {
            "schemas": [_RESOURCE_TYPE],
            "id": name,
            "name": name,
            "endpoint": endpoint,
            "description": description,
            "schema": schema,
            **({"schemaExtensions": extensions} if extensions else {}),
            "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{name}"},
        }
        for name, endpoint, description, schema, extensions in described
    ]


def schemas(base_url: str) -> list[dict[str, Any]]:
    """Return the schemas of all resources."""
    return [
        {
            **_described(urn),
            "schemas": [_SCHEMA],
            "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{urn}"},
        }
        for urn in _MODELS
    ]


def listed(resources: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a ListResponse of all of them; what the server says of itself has no pages."""
    total = len(resources)
    body = {"schemas": [LIST_RESPONSE], "totalResults": total, "itemsPerPage": total, "startIndex": 1}
    return body | {"Resources": resources}


def one(resources: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the one with this id.

    Raises:
        ScimError: 404.
    """
    for resource in resources:
        if resource["id"].lower() == name.lower():
            return resource
    raise not_found()


@cache
def _described(urn: str) -> dict[str, Any]:
    found: dict[str, Any] = _MODELS[urn].to_schema().model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE)
    return found
