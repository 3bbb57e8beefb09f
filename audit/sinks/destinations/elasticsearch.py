"""Elasticsearch and OpenSearch: documents by `_bulk`, created with the event's id, in an index or a data stream."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, Later
from audit.sinks.http import CONNECTION, HttpDestination, is_json, retry_after
from outbound.exchange import Reply

# What of the answer counts; a large cluster says much more of each event.
_ANSWER = ",".join(
    f"items.*.{part}"
    for part in ("_id", "status", "failure_store", "error.type", "error.reason", "error.caused_by.reason")
)
_INDEX = re.compile(r"(?![-_+.])[^A-Z\s\\/*?\"<>|,#:%]{1,200}")
_PRINTABLE = re.compile(r"[!-~]+")
_CREATED = frozenset({200, 201})
_CONFLICT, _TOO_MANY, _SERVER_ERROR = 409, 429, 500
_BLOCK, _FORBIDDEN = "cluster_block_exception", 403
_ADVICE: Mapping[int, str] = {
    401: "Check the API key, or user and password.",
    403: "The key or user may not write there: it needs the privilege create_doc on the index, and auto_configure or "
    "create_index where the index is made by the first event.",
    404: "There is no such index, and the cluster makes none by itself. Make it first, or check its name.",
}


class Elasticsearch(HttpDestination):
    """Creates a document for each event, and reads what became of each one."""

    kind = "elasticsearch"
    label = "Elasticsearch or OpenSearch"
    summary = "Documents in an index or a data stream of Elastic or OpenSearch, by _bulk."
    steps = (
        "Make an index template first: before and after hold whatever was changed, so map them as flattened.",
        "Make an API key or a user that may create documents in that index or data stream, and nothing else.",
        "Write the cluster's address with its port, the index or data stream and the key here, then send a test event.",
    )
    guarantee = (
        "An event counts as delivered when the cluster says that its document was created, or exists already: the "
        "document's id is the event's id, so an index holds each event once. A data stream checks that within its "
        "newest backing index only; a batch that is repeated just after a rollover is there twice, with equal ids."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("url", "Address", "Of the cluster, such as https://search.example:9200.", Entry.URL),
        Option("index", "Index or data stream", "Such as gatehouse-audit. See the page for its template."),
        Option(
            "api_key",
            "API key",
            "In Kibana: Stack Management > API keys, the encoded form. Empty: user and password.",
            secret=True,
            required=False,
        ),
        Option("username", "User", "Instead of an API key; OpenSearch has no API keys.", required=False),
        Option("password", "Password", "Of that user.", secret=True, required=False),
        *CONNECTION,
    )
    limits = Limits(events=1_000, bytes=5_000_000)
    advice = _ADVICE

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an address, a name or a key that cannot work.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        if "?" in str(options.get("url", "")):
            raise refuse("url", "Leave out what comes after ?.")
        if not _INDEX.fullmatch(str(options.get("index", ""))):
            raise refuse(
                "index", "The name has small letters, digits, - and _ only, and begins with a letter or a digit."
            )
        key, user, password = (str(options.get(name) or "") for name in ("api_key", "username", "password"))
        if key and (user or password):
            raise refuse("api_key", "Give an API key, or user and password, not both.")
        if key and not _PRINTABLE.fullmatch(key):
            raise refuse("api_key", "The API key is its encoded form, in base64.")
        if bool(user) != bool(password):
            raise refuse("password" if user else "username", "User and password belong together.")
        if ":" in user:
            raise refuse("username", "The user's name has no colon.")
        if not (key or user or options.get("client_certificate")):
            raise refuse("api_key", "Give an API key, or user and password, or a client certificate.")

    def address(self) -> str:
        """Return the URL of the bulk endpoint."""
        return f"{str(self.given['url']).rstrip('/')}/{self.given['index']}/_bulk?filter_path={_ANSWER}"

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Create the documents.

        Raises:
            Later, Blocked, Refused: by the status of the request or of an event.
        """
        body = "".join(f'{{"create":{{"_id":"{item.id}"}}}}\n{_document(item)}\n' for item in batch).encode()
        reply = self.post(body, {"content-type": "application/x-ndjson", **self._authorization()}, packed=True)
        self.judge(reply)
        answer = self.read(reply)
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise Blocked(f"{self.told(reply)} No cluster answers so. Check the address and its port.")
        results = [next(iter(item.values()), None) if isinstance(item, dict) else None for item in items]
        found = [result if isinstance(result, dict) else {} for result in results]
        if [result.get("_id") for result in found] != [item.id for item in batch]:
            raise Later("The cluster's answer does not say what became of each event. They are sent again.")
        rejections = [self._rejection(position, result) for position, result in enumerate(found)]
        late = [result for result in found if _is_late(result)]
        if late:
            told = self.shown(_reason(late[0]))
            raise Later(
                f"The cluster could not take {len(late):,} of {len(batch):,} events: {told}", retry_after(reply)
            )
        return [rejection for rejection in rejections if rejection is not None]

    def judge(self, reply: Reply) -> None:
        """Raise what a status means.

        Raises:
            Later: also 403 where a full disk blocks the cluster, and not somebody's rights.
            Blocked, Refused: by any other.
        """
        if reply.status == _FORBIDDEN and _BLOCK.encode() in reply.body:
            raise Later(self.told(reply), retry_after(reply))
        super().judge(reply)

    def _rejection(self, position: int, result: Mapping[str, Any]) -> Rejection | None:
        """Return why an event is refused for good; None when it is not.

        Raises:
            Blocked: nothing will be taken until somebody changes something.
        """
        status = _status(result)
        told = self.shown(_reason(result))
        if result.get("failure_store") == "used":
            text = f"It went into the failure store of the data stream, not into the stream. {told}"
            return Rejection(position, text)
        if status in _CREATED or _is_late(result) or _exists(result):
            return None
        if status in _ADVICE:
            raise Blocked(f"The cluster refuses events with status {status}: {told} {_ADVICE[status]}")
        return Rejection(position, f"The cluster refused it with status {status}: {told}")

    def _authorization(self) -> dict[str, str]:
        if key := self.given.get("api_key"):
            return {"authorization": f"ApiKey {key}"}
        if user := self.given.get("username"):
            pair = base64.b64encode(f"{user}:{self.given['password']}".encode()).decode()
            self.hide(pair)
            return {"authorization": f"Basic {pair}"}
        return {}


def _document(item: Item) -> str:
    """Return what is stored; `@timestamp` is what data streams and time filters go by."""
    if not is_json(item):
        return json.dumps({"@timestamp": item.time.isoformat(), "message": item.text}, ensure_ascii=False)
    if '"@timestamp"' in item.text and "@timestamp" in json.loads(item.text):
        return item.text
    return f'{{"@timestamp":"{item.time.isoformat()}",{item.text[1:]}'


def _status(result: Mapping[str, Any]) -> int:
    status = result.get("status")
    return status if isinstance(status, int) else 0


def _kind(result: Mapping[str, Any]) -> str:
    error = result.get("error")
    return str(error.get("type")) if isinstance(error, dict) else ""


def _exists(result: Mapping[str, Any]) -> bool:
    return _status(result) == _CONFLICT and _kind(result) == "version_conflict_engine_exception"


def _is_late(result: Mapping[str, Any]) -> bool:
    """Return whether an event may be taken another time."""
    status = _status(result)
    if status == _CONFLICT:
        return not _exists(result)
    # A full disk blocks an index with status 403 or 429.
    return status in {0, _TOO_MANY} or status >= _SERVER_ERROR or _kind(result) == _BLOCK


def _reason(result: Mapping[str, Any]) -> str:
    error = result.get("error")
    if not isinstance(error, dict):
        return "no reason was given."
    cause = error.get("caused_by")
    more = cause.get("reason") if isinstance(cause, dict) else None
    return " ".join(str(part) for part in (f"{error.get('type')}:", error.get("reason"), more) if part)
