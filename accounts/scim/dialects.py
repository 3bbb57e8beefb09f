"""What identity providers send that the standard words otherwise, put into its words before it is read.

docs/scim-conformance.md lists the dialects; each rule here names whose it is.
"""

from collections.abc import Mapping
from typing import Any

from .errors import ScimError, bad_request
from .resources import ENTERPRISE_USER

MOST_OPERATIONS = 5_000
_BOOLEANS = {"true": True, "false": False}
_OPERATIONS = frozenset({"add", "remove", "replace"})
_DECIDED_HERE = frozenset({"id", "meta", "schemas", "groups"})
_ENTERPRISE = ENTERPRISE_USER.lower()


def names_schema(body: Any, schema: str) -> bool:
    """Return whether a body is an object that names a message's schema (RFC 7644 section 3.1)."""
    schemas = body.get("schemas") if isinstance(body, dict) else None
    return isinstance(schemas, list) and schema in schemas


def resource_body(body: Any) -> dict[str, Any]:
    """Return the body of a POST or PUT in the standard's words.

    Raises:
        ScimError: 400: it is no object, or a boolean is neither true nor false.
    """
    if not isinstance(body, dict):
        raise bad_request("The body is a JSON object that describes the resource.", "invalidSyntax")
    return {
        name: _value(name, value)
        for name, value in body.items()
        if value is not None and name.lower() not in {"id", "meta", "groups"}
    }


def operations_of(body: Any, *, resource_id: str) -> list[dict[str, Any]]:
    """Return the operations of a PATCH in the standard's words (RFC 7644 section 3.5.2).

    Args:
        body: the body.
        resource_id: of the resource; a value may repeat it (Okta, authentik), but not name another one.

    Raises:
        ScimError: 400: it is no PatchOp, there are no or too many operations, or one is malformed.
    """
    if not isinstance(body, dict):
        raise bad_request("The body is a JSON object with “Operations”.", "invalidSyntax")
    operations = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list) or not operations:
        raise bad_request("A PATCH has a list of “Operations”.", "invalidSyntax")
    if len(operations) > MOST_OPERATIONS:
        raise ScimError(413, f"A PATCH has {MOST_OPERATIONS} operations at most.")
    return [part for operation in operations for part in _parts(_operation(operation, resource_id))]


def _operation(operation: Any, resource_id: str) -> dict[str, Any]:
    if not isinstance(operation, dict):
        raise bad_request("An operation is a JSON object.", "invalidSyntax")
    given = {name.lower(): value for name, value in operation.items()}
    op, path = given.get("op"), given.get("path")
    if not isinstance(op, str) or op.lower() not in _OPERATIONS:  # Entra ID: Add, Replace, Remove
        raise bad_request("“op” is add, remove or replace.", "invalidSyntax")
    if path is not None and (not isinstance(path, str) or (path and not path.strip())):
        raise bad_request("“path” names an attribute.", "invalidPath")
    found: dict[str, Any] = {"op": op.lower()}
    if path:
        found["path"] = _path(path)
    if "value" in given:
        value = given["value"]
        found["value"] = _value(found["path"], value) if path else _pathless(value, resource_id)
    return found


def _parts(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations of one without a path whose value has paths with a filter for names (Entra ID's flag)."""
    value = operation.get("value")
    if "path" in operation or not isinstance(value, dict):
        return [operation]
    filtered = [name for name in value if "[" in name]
    rest = {name: inner for name, inner in value.items() if "[" not in name}
    parts = [{"op": operation["op"], "path": name, "value": value[name]} for name in filtered]
    return [operation | {"value": rest}, *parts] if rest or not parts else parts


def _path(path: str) -> str:
    """Return a path, that of an enterprise attribute behind a colon (Entra ID's older mappings have a dot)."""
    path = path.strip()
    if path.lower().startswith(f"{_ENTERPRISE}."):
        return f"{ENTERPRISE_USER}:{path[len(_ENTERPRISE) + 1 :]}"
    return path


def _pathless(value: Any, resource_id: str) -> Any:
    """Return the value of an operation without a path; what only the server decides is passed over, as in a PUT."""
    if not isinstance(value, Mapping):
        return value
    for name, inner in value.items():
        if name.lower() == "id" and inner != resource_id:
            raise bad_request("The id of a resource never changes.", "mutability")
    return {
        _path(name): _value(_path(name), inner) for name, inner in value.items() if name.lower() not in _DECIDED_HERE
    }


def _value(path: str, value: Any) -> Any:
    """Return a value in the standard's words, by the attribute it is for."""
    name = path.lower().rpartition(":")[2].rpartition(".")[2]
    if name in {"active", "primary"} or name.endswith("].primary"):
        return _boolean(name, value)
    if path.lower() == _ENTERPRISE and isinstance(value, Mapping):
        return {inner: _value(inner, one) for inner, one in value.items() if one is not None}
    if name == "manager":
        if isinstance(value, list) and len(value) == 1:
            (value,) = value
        if isinstance(value, str):  # Entra ID: the id alone
            return {"value": value}
        return _entry(value)
    if name == "emails" and isinstance(value, Mapping):  # OneLogin: a single one, not in a list
        value = [value]
    if isinstance(value, list):
        return [_entry(item) for item in value]
    return value


def _entry(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    return {
        name: _boolean(name, value) if name.lower() == "primary" else value
        for name, value in item.items()
        if value is not None
    }


def _boolean(name: str, value: Any) -> Any:
    """Return true or false, also where they came as a text (Entra ID: "True", "False").

    Raises:
        ScimError: 400, it is neither.
    """
    if isinstance(value, str):
        value = _BOOLEANS.get(value.lower(), value)
    if value is not None and not isinstance(value, bool):
        raise bad_request(f"“{name}” is true or false.")
    return value
