"""Objects in an S3 bucket, or in a store that speaks S3: each batch is written once, under its range of numbers.

botocore signs and reads; what it sends goes through `outbound`, which connects to checked addresses only. It is given
keys and looks for none: this machine's own are nobody else's.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from functools import cache
from itertools import groupby
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from django.utils import timezone

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, DeliveryError, Later, Refused
from audit.sinks.http import CONNECTION, HttpDestination, lines
from isolation.scope import INSTALLATION
from outbound.exceptions import OutboundError
from outbound.exceptions import Refused as NotAllowed
from outbound.session import Session

TIMEOUT = 15
"""Seconds for one request: three of them fit into a lease."""

_MOST_DAYS = 36_500
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/=-]{0,200}")
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ACCOUNT = re.compile(r"\d{12}|external", re.ASCII)

_EXISTS, _CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
_LATER = frozenset(
    {"BadDigest", "IncompleteBody", "InternalError", "OperationAborted", "RequestLimitExceeded", "RequestTimeout",
     "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", _CONFLICT}
)  # fmt: skip
_LATER_STATUSES = frozenset({0, 408, 425, 429, 500, 502, 503, 504})
_TOO_LARGE_CODES = frozenset({"EntityTooLarge", "MaxMessageLengthExceeded"})
_NOT_FOUND, _TOO_LARGE = 404, 413
_MOST_PARTS = 20
"""Objects of one batch: more would take longer than a lease."""
_HINTS = {
    "AccessDenied": "Give the key s3:PutObject on the bucket, and s3:PutObjectRetention where objects are locked.",
    "AuthorizationHeaderMalformed": "Check the region.",
    "InvalidAccessKeyId": "Check the access key.",
    "InvalidRequest": "Object Lock has to be on for the bucket.",
    "NoSuchBucket": "Check the bucket's name.",
    "NotImplemented": "This store does not know a part of S3 that is used. Check what it says about If-None-Match.",
    "PermanentRedirect": "Check the region.",
    "RequestTimeTooSkewed": "The clock of this machine or of the store is wrong.",
    "SignatureDoesNotMatch": "Check the secret access key.",
}
_SECURITY_LAKE = "security_lake"


class S3(HttpDestination):
    """Writes an object for each batch."""

    kind = "s3"
    label = "S3 bucket"
    summary = "Objects in Amazon S3 or a compatible store, as NDJSON or Parquet, locked if you like."
    steps = (
        "Make a bucket; with Object Lock, if objects are to be locked.",
        (
            "Make a key that may s3:PutObject, s3:PutObjectRetention and s3:GetObject below your prefix, or "
            "assume a role that may."
        ),
        (
            "Write bucket, region, prefix and key here, for another store its address. A test event becomes an "
            "object of its own."
        ),
    )
    guarantee = (
        "A batch counts as delivered when the store has written it and confirmed its SHA-256. An object is never "
        "overwritten. When an answer was lost, the next object may hold the same events again, with the same ids."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("bucket", "Bucket"),
        Option("region", "Region", "Such as eu-central-1.", default="us-east-1"),
        Option("prefix", "Prefix", "What every object's key begins with, such as gatehouse/.", required=False),
        Option(
            "endpoint", "Address of the store", "Empty for Amazon's own. The bucket comes after it, in the path.",
            Entry.URL, required=False,
        ),
        Option("access_key", "Access key ID"),
        Option("secret_key", "Secret access key", secret=True),
        Option("role", "Role", "The ARN of a role that the key assumes; empty for none.", required=False),
        Option("external_id", "External ID", "That the role asks for; empty for none.", required=False),
        Option(
            "file", "File format", "Parquet has a column for each member of a record in the Security Lake layout.",
            Entry.CHOICE, default="ndjson", choices=(("ndjson", "NDJSON, gzip"), ("parquet", "Parquet, zstd")),
        ),
        Option(
            "layout", "Layout", "Security Lake's is region=/accountId=/eventDay=, in Parquet.", Entry.CHOICE,
            default="log", choices=(("log", "By log and day"), (_SECURITY_LAKE, "Security Lake")),
        ),
        Option("account", "Account in the Security Lake layout", "12 digits, or external.", default="external"),
        Option(
            "lock", "Object Lock", "Has to be on for the bucket.", Entry.CHOICE, default="none",
            choices=(("none", "None"), ("GOVERNANCE", "Governance"), ("COMPLIANCE", "Compliance")),
        ),
        Option("lock_days", "Days that an object is locked", "", Entry.NUMBER, default=365),
        *CONNECTION,
    )  # fmt: skip
    limits = Limits(events=10_000, bytes=8_000_000)
    batch_seconds = 60

    def __init__(self, options: Mapping[str, Any], sink_id: UUID) -> None:
        super().__init__(options, sink_id)
        self._by_host: dict[str, Session] = {}
        self._client: Any = None

    @classmethod
    def takes_checkpoints(cls, options: Mapping[str, Any]) -> bool:
        """Return whether it is no data lake, whose tables have columns of their own."""
        return options.get("layout") != _SECURITY_LAKE

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse what cannot work.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        for name, pattern, text in (
            ("bucket", _BUCKET, "A bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens."),
            ("region", _REGION, "A region is written as eu-central-1."),
            ("prefix", _PREFIX, "A prefix has up to 200 letters, digits and ! - _ . * ' ( ) / =."),
            ("role", _ROLE, "A role is written as arn:aws:iam::123456789012:role/name."),
            ("external_id", _EXTERNAL_ID, "An external ID has 2 to 1,224 letters, digits and + = , . @ : / -."),
            ("account", _ACCOUNT, "An account has 12 digits. Without one write external."),
        ):
            value = str(options.get(name, ""))
            if value and not pattern.fullmatch(value):
                raise refuse(name, text)
        if options["lock"] != "none" and not 1 <= options.get("lock_days", 0) <= _MOST_DAYS:
            raise refuse("lock_days", f"An object is locked for 1 to {_MOST_DAYS:,} days.")
        if options["layout"] == _SECURITY_LAKE and options["file"] != "parquet":
            raise refuse("file", "The Security Lake layout takes Parquet.")

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Write a batch: one object; in the Security Lake layout one for each day of its events.

        Raises:
            Later, Blocked, Refused: by what the store says.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only where it is used
        from botocore.parsers import ResponseParserError  # noqa: PLC0415

        parts = list(self._parts(batch))
        if len(parts) > _MOST_PARTS:
            raise Refused(f"Its events are of {len(parts):,} days, which become an object each.")
        try:
            for part in parts:
                self._put(part)
        except ClientError as error:
            raise _judged(error) from error
        except NotAllowed as error:
            raise Blocked(error.detail) from error
        except OutboundError as error:
            raise Later(error.detail) from error
        except ResponseParserError as error:
            raise Later("The store answered with something that is not S3. Check its address.") from error
        except BotoCoreError as error:
            raise Blocked(f"The settings cannot be used ({type(error).__name__}).") from error
        except ValueError as error:
            raise Blocked(str(error)) from error
        return []

    def close(self) -> None:
        """Close the connections."""
        for session in self._by_host.values():
            session.close()
        self._by_host.clear()
        self._client = None

    def _parts(self, batch: Sequence[Item]) -> Iterator[list[Item]]:
        if self.given["layout"] != _SECURITY_LAKE:
            yield list(batch)
            return
        for _day, part in groupby(batch, lambda item: item.time.astimezone(UTC).date()):
            yield list(part)

    def _put(self, part: Sequence[Item]) -> None:
        content = self._content(part)
        digest = hashlib.sha256(content)
        stem, ending = self._key(part)
        first = f"{stem}.{ending}"
        if self._write(first, content, digest.digest()) or self._is_written(first, len(content), digest.digest()):
            return
        # The same events in another form: the format was changed, or more of the log was signed meanwhile.
        second = f"{stem}-{digest.hexdigest()[:16]}.{ending}"
        if self._write(second, content, digest.digest()):
            return
        if self._is_written(second, len(content), digest.digest()) is False:
            raise Blocked(f"An object with other content has the name that only these events have: {second}.")

    def _write(self, key: str, content: bytes, digest: bytes) -> bool:
        """Write an object; return whether there was none."""
        from botocore.exceptions import ClientError  # noqa: PLC0415

        locked: dict[str, Any] = {}
        if self.given["lock"] != "none":
            until = timezone.now() + timedelta(days=int(self.given["lock_days"]))
            locked = {"ObjectLockMode": self.given["lock"], "ObjectLockRetainUntilDate": until}
        try:
            self._s3().put_object(
                Bucket=self.given["bucket"],
                Key=key,
                Body=content,
                ContentType="application/vnd.apache.parquet" if key.endswith(".parquet") else "application/gzip",
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(digest).decode(),
                **locked,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != _EXISTS:
                raise
            return False
        return True

    def _is_written(self, key: str, length: int, digest: bytes) -> bool | None:
        """Return whether an object is what would be written; None where the store does not let us see.

        Raises:
            ClientError: the store cannot say it now.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415

        try:
            found = self._s3().head_object(Bucket=self.given["bucket"], Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            status = _status(error)
            if status in _LATER_STATUSES:
                raise
            return False if status == _NOT_FOUND else None
        if (checksum := found.get("ChecksumSHA256")) is not None:
            return bool(checksum == base64.b64encode(digest).decode())
        return None if found.get("ContentLength") == length else False

    def _key(self, part: Sequence[Item]) -> tuple[str, str]:
        """Return the key of some events without its ending, and the ending."""
        first = part[0]
        day = first.time.astimezone(UTC)
        log = "installation" if first.log == INSTALLATION else str(first.log)
        prefix = str(self.given.get("prefix", ""))
        prefix = f"{prefix}/" if prefix and not prefix.endswith("/") else prefix
        span = f"{first.seq:012d}-{part[-1].seq:012d}"
        if first.is_checkpoint:
            span = f"checkpoint-{first.seq + 1:012d}"
        ending = "parquet" if self.given["file"] == "parquet" else "ndjson.gz"
        if self.given["layout"] == _SECURITY_LAKE:
            where = f"region={self.given['region']}/accountId={self.given['account']}/eventDay={day:%Y%m%d}"
            return f"{prefix}{where}/{log}-{span}", ending
        return f"{prefix}{log}/{day:%Y/%m/%d}/{span}", ending

    def _content(self, part: Sequence[Item]) -> bytes:
        """Return the object: the same bytes each time for the same events."""
        if self.given["file"] == "parquet":
            return _parquet(part, members=self.given["layout"] == _SECURITY_LAKE)
        return gzip.compress(lines(part), compresslevel=6, mtime=0)

    def _s3(self) -> Any:
        if self._client is None:
            keys = {
                "aws_access_key_id": self.given["access_key"],
                "aws_secret_access_key": self.given["secret_key"],
            }
            if role := self.given.get("role"):
                asked = {"ExternalId": self.given["external_id"]} if self.given.get("external_id") else {}
                answer = self._client_of("sts", keys).assume_role(
                    RoleArn=role, RoleSessionName="gatehouse", DurationSeconds=900, **asked
                )
                given = answer["Credentials"]
                keys = {
                    "aws_access_key_id": given["AccessKeyId"],
                    "aws_secret_access_key": given["SecretAccessKey"],
                    "aws_session_token": given["SessionToken"],
                }
            self._client = self._client_of("s3", keys)
        return self._client

    def _client_of(self, service: str, keys: Mapping[str, str]) -> Any:
        from botocore.config import Config  # noqa: PLC0415

        endpoint = self.given.get("endpoint") or None
        with _CREATING:
            client = _botocore().create_client(
                service,
                region_name=self.given["region"],
                endpoint_url=endpoint,
                config=Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},  # delivery tries again by itself
                    ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # missing in its stubs
                    s3={"addressing_style": "path" if endpoint else "auto"},
                ),
                **keys,
            )
        client.meta.events.register_first("before-send", self._exchange)
        return client

    def _exchange(self, request: Any, **kwargs: Any) -> Any:
        """Send what botocore has signed, in its stead.

        Raises:
            OutboundError: the address is not allowed, or there is no answer.
            ValueError: certificate or key cannot be used.
        """
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415

        parts = urlsplit(request.url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if origin not in self._by_host:
            self._by_host[origin] = Session(
                origin,
                authorities=str(self.given.get("authorities", "")),
                certificate=str(self.given.get("client_certificate", "")),
                key=str(self.given.get("client_key", "")),
                proxy=str(self.given.get("proxy", "")),
                timeout=TIMEOUT,
            )
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() not in _UNSENT}
        body = request.body or b""
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read()
        reply = self._by_host[origin].request(request.method, request.url, content=content, headers=headers)
        received: Any = dict(reply.headers)
        return AWSResponse(request.url, reply.status, received, _Body(reply.body))


class _Body(io.BytesIO):
    """What has come, as botocore asks for it."""

    def stream(self) -> Iterator[bytes]:
        """Yield all of it."""
        yield self.read()


_UNSENT = frozenset({"expect", "content-length", "transfer-encoding", "host"})
"""What botocore has added for its own way of sending; none of it is signed, except Host, which stays the same."""

_CREATING = Lock()


@cache
def _botocore() -> Any:
    """Return a botocore session that reads no file and no profile of this machine."""
    from botocore.session import Session as Botocore  # noqa: PLC0415 - half a second that nobody else should pay

    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return Botocore(session_vars={**nowhere, "profile": (None, None, None, None)})


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _judged(error: Any) -> DeliveryError:
    """Return what an answer means; the store's own words may repeat parts of the request, so that they are left out."""
    code = str(error.response.get("Error", {}).get("Code") or "unknown error")
    status = _status(error)
    told = f"The store answered “{code[:80]}” (status {status}). {_HINTS.get(code, '')}".rstrip()
    if code in _TOO_LARGE_CODES or status == _TOO_LARGE:
        return Refused(told)
    if code in _LATER or status in _LATER_STATUSES:
        return Later(told)
    return Blocked(told)


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


def _parquet(part: Sequence[Item], *, members: bool) -> bytes:
    """Return events as a Parquet file.

    Args:
        part: the events.
        members: whether each member of a record is a column; otherwise the record is one, beside a few to search by.

    Raises:
        Blocked: a record is no JSON object.
    """
    import pyarrow as pa  # noqa: PLC0415 - only where it is used
    import pyarrow.parquet  # noqa: PLC0415

    if members:
        columns = {name: _column(values) for name, values in _members(part).items()}
        table = pa.table({name: column for name, column in columns.items() if not pa.types.is_null(column.type)})
    else:
        schema = pa.schema(
            [
                ("seq", pa.int64()),
                ("id", pa.string()),
                ("log", pa.string()),
                ("time", pa.timestamp("us", tz="UTC")),
                ("action", pa.string()),
                ("record", pa.string()),
            ]
        )
        rows = [(item.seq, item.id, str(item.log), item.time, item.action, item.text) for item in part]
        table = pa.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, compression="zstd")
    return file.getvalue()


def _members(part: Sequence[Item]) -> dict[str, list[Any]]:
    """Return the values of each member of the records, None where a record has it not."""
    members: dict[str, list[Any]] = {}
    for row, item in enumerate(part):
        try:
            record = json.loads(item.text)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise Blocked("The Security Lake layout takes records in JSON. Choose another format or layout.")
        for name, value in record.items():
            members.setdefault(name, [None] * len(part))[row] = value
    return members


def _column(values: list[Any]) -> Any:
    """Return a column by what is in it; as JSON texts where the values are not of one kind."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        column = pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts(values)
    return _texts(values) if _has_empty(column.type) else column


def _texts(values: list[Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.array([None if value is None else json.dumps(value, ensure_ascii=False) for value in values], pa.string())


def _has_empty(kind: Any) -> bool:
    """Return whether there is an object without members, which Parquet cannot hold, or a list of nothing, inside."""
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(
            _has_empty(kind.field(number).type) or pa.types.is_null(kind.field(number).type)
            for number in range(kind.num_fields)
        )
    return pa.types.is_list(kind) and (pa.types.is_null(kind.value_type) or _has_empty(kind.value_type))
