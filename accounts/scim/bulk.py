"""Several operations in one request (RFC 7644 section 3.7); each is a transaction of its own."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .dialects import names_schema
from .discovery import MOST_BULK_OPERATIONS
from .errors import ScimError, bad_request

BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFERENCE = re.compile(r"bulkId:([^/\s]+)")


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """What one operation came to.

    Attributes:
        status: as of a single request.
        location: of the resource, "" when there is none.
        version: its entity tag, "" when there is none.
        pk: its id, "" when there is none.
        error: what went wrong, None when nothing did.
    """

    status: int
    location: str = ""
    version: str = ""
    pk: str = ""
    error: ScimError | None = None


Run = Callable[[str, str, Any, str], BulkAnswer]


@dataclass
class _Job:
    """The operations of a request, and what is known so far."""

    operations: list[dict[str, Any]]
    most_errors: int | None
    ids: dict[str, str] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    errors: int = 0

    def is_over(self) -> bool:
        """Return whether as many operations failed as the client accepts."""
        return self.most_errors is not None and self.errors >= self.most_errors


def run_bulk(body: Any, run: Run) -> dict[str, Any]:
    """Return the BulkResponse to a request.

    An operation that names another by its bulkId runs after that one, wherever it stands. Two that wait for each other
    are refused.

    Args:
        body: the request.
        run: carries one operation out: (method, path, data, version) to its answer.

    Raises:
        ScimError: the request as a whole is malformed or too large.
    """
    job = _job(body)
    waiting = list(range(len(job.operations)))
    while waiting and not job.is_over():
        ready = [number for number in waiting if not _missing(job, number)]
        if not ready:
            for number in waiting:
                if not job.is_over():
                    missing = ", ".join(sorted(_missing(job, number)))
                    _note(job, number, _failed(bad_request(f"No operation made the bulkId {missing}.")))
            break
        for number in ready:
            if job.is_over():
                break
            _note(job, number, _carried_out(job, number, run))
            waiting.remove(number)
    return {"schemas": [BULK_RESPONSE], "Operations": [job.answers[number] for number in sorted(job.answers)]}


def _job(body: Any) -> _Job:
    if not names_schema(body, BULK_REQUEST):
        raise bad_request(f"A bulk request is an object with the schema {BULK_REQUEST}.", "invalidSyntax")
    operations, most_errors = body.get("Operations"), body.get("failOnErrors")
    if not isinstance(operations, list) or not all(isinstance(operation, dict) for operation in operations):
        raise bad_request("A bulk request has a list of “Operations”.", "invalidSyntax")
    if most_errors is not None and (not isinstance(most_errors, int) or isinstance(most_errors, bool)):
        raise bad_request("failOnErrors is a whole number.", "invalidSyntax")
    if len(operations) > MOST_BULK_OPERATIONS:
        raise ScimError(413, f"A bulk request has at most {MOST_BULK_OPERATIONS} operations (maxOperations).")
    return _Job(operations, most_errors if most_errors is None else max(1, most_errors))


def _carried_out(job: _Job, number: int, run: Run) -> BulkAnswer:
    operation = job.operations[number]
    method, path = operation.get("method"), operation.get("path")
    version, bulk_id = operation.get("version", ""), operation.get("bulkId")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        return _failed(bad_request("“method” is POST, PUT, PATCH or DELETE.", "invalidSyntax"))
    if not isinstance(path, str) or not isinstance(version, str):
        return _failed(bad_request("“path” and “version” are texts.", "invalidSyntax"))
    if method.upper() == "POST" and (not isinstance(bulk_id, str) or not bulk_id):
        return _failed(bad_request("An operation with POST has a bulkId."))
    answer = run(method.upper(), _resolved(job, path), _resolved(job, operation.get("data")), version)
    if answer.pk and isinstance(bulk_id, str):
        job.ids[bulk_id] = answer.pk
    return answer


def _note(job: _Job, number: int, answer: BulkAnswer) -> None:
    operation = job.operations[number]
    method = operation.get("method")
    told: dict[str, Any] = {"status": str(answer.status)}
    if isinstance(method, str):
        told["method"] = method.upper()
    if isinstance(operation.get("bulkId"), str):
        told["bulkId"] = operation["bulkId"]
    if answer.location:
        told["location"] = answer.location
    if answer.version:
        told["version"] = answer.version
    if answer.error is not None:
        told["response"] = answer.error.body
        job.errors += 1
    job.answers[number] = told


def _failed(error: ScimError) -> BulkAnswer:
    return BulkAnswer(error.status, error=error)


def _missing(job: _Job, number: int) -> set[str]:
    """Return the bulkIds that an operation names and that no operation has made yet, though one may."""
    operation = job.operations[number]
    return {name for name in _references([operation.get("path"), operation.get("data")]) if name not in job.ids}


def _references(value: Any) -> set[str]:
    match value:
        case str():
            whole = value.startswith(("bulkId:", "/"))
            return set(_REFERENCE.findall(value)) if whole else set()
        case dict():
            return set().union(*map(_references, value.values()))
        case list():
            return set().union(*map(_references, value))
    return set()


def _resolved(job: _Job, value: Any) -> Any:
    match value:
        case str() if value.startswith(("bulkId:", "/")):
            return _REFERENCE.sub(lambda found: job.ids.get(found[1], found[0]), value)
        case dict():
            return {name: _resolved(job, inner) for name, inner in value.items()}
        case list():
            return [_resolved(job, inner) for inner in value]
    return value
