"""Leak reports, in the shape of GitHub's secret scanning partner programme."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from accounts.key_format import SECRET_PATTERN
from accounts.report_signatures import is_signed, read_public_keys
from accounts.services.leaks import report_leak
from api.operation import PUBLIC, Operation, operation
from api.problems import Problem
from api.serializers import Answer, BaseSerializer
from api.views import ApiView

if TYPE_CHECKING:  # DRF's classes take type arguments in the stubs only
    _Array = serializers.BaseSerializer[Any]
else:
    _Array = serializers.BaseSerializer

logger = logging.getLogger("gatehouse.leaks")

TAG = "Leak reports"
TOKEN_TYPE = "gatehouse_api_key"  # noqa: S105 - the name of a pattern
MOST_REPORTS = 500
LARGEST_BODY = 1_000_000
_LONGEST_TEXT = 10_000
IDENTIFIER_HEADER = "Github-Public-Key-Identifier"
SIGNATURE_HEADER = "Github-Public-Key-Signature"


class LeakReport(BaseSerializer):
    """A secret that was found. Members that are not named here are ignored: programmes add some."""

    token = serializers.CharField(max_length=_LONGEST_TEXT, trim_whitespace=False, help_text="What was found.")
    type = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=200, help_text="The name of the pattern."
    )
    url = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=_LONGEST_TEXT, help_text="Where it was found."
    )
    source = serializers.CharField(  # type: ignore[assignment] # the programme's word
        required=False, allow_blank=True, allow_null=True, max_length=200, help_text="In what: content, commit, …"
    )


class LeakVerdict(Answer):
    """What became of one report."""

    token_hash = serializers.CharField(help_text="The SHA-256 of the token, in hexadecimal digits.")
    token_type = serializers.CharField(help_text="The pattern's name, as it was reported.")
    label = serializers.ChoiceField(  # type: ignore[assignment] # the programme's word
        choices=["true_positive", "false_positive"],
        help_text="true_positive: it is or was the secret of a key here, which is revoked now.",
    )


class LeakReports(_Array):
    """The reports of one request."""

    item = LeakReport
    most = MOST_REPORTS

    def to_internal_value(self, data: Any) -> list[Mapping[str, Any]]:
        """Return the checked reports.

        Raises:
            ValidationError: it is no list, is empty or too long, or a report is malformed.
        """
        reports = serializers.ListField(child=LeakReport(), min_length=1, max_length=self.most)
        checked: list[Mapping[str, Any]] = reports.run_validation(data)
        return checked


class LeakVerdicts(_Array):
    """What became of the reports, in their order."""

    item = LeakVerdict
    most = MOST_REPORTS

    def to_representation(self, instance: Any) -> Any:
        """Return the verdicts."""
        return LeakVerdict(instance, many=True).data


class ArraySchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Draws the two arrays in the OpenAPI document."""

    target_class = serializers.BaseSerializer
    match_subclasses = True

    @classmethod
    def _matches(cls, target: Any) -> bool:
        kind = target if isinstance(target, type) else type(target)
        return issubclass(kind, LeakReports | LeakVerdicts)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema of the array."""
        item = auto_schema.resolve_serializer(self.target.item, direction)
        return {"type": "array", "items": item.ref, "minItems": 1, "maxItems": self.target.most}


class KeyPattern(Answer):
    """How secret scanners recognize a key."""

    type = serializers.CharField(help_text="The name under which to report it.")
    pattern = serializers.CharField(help_text="A regular expression.")
    checksum = serializers.CharField()


class LeakReporting(ApiView):
    """Where leaked keys are reported."""

    tag = TAG

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Open none: each key ends in a transaction of its own organization."""
        yield

    def demand(self, declared: Operation) -> None:
        """Refuse a report that is too large, or unsigned where signatures are asked for."""
        body: bytes = self.request.body
        if len(body) > LARGEST_BODY:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"Send at most {LARGEST_BODY:,} bytes and {MOST_REPORTS} reports at once.",
            )
        path = settings.LEAK_REPORT_KEYS_FILE
        if path is None:
            return
        headers = self.request.headers
        signed = is_signed(
            body,
            identifier=headers.get(IDENTIFIER_HEADER, ""),
            signature=headers.get(SIGNATURE_HEADER, ""),
            keys=_keys(path),
        )
        if not signed:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "not_signed",
                f"Reports must be signed here: {IDENTIFIER_HEADER} names a key that this installation trusts, and "
                f"{SIGNATURE_HEADER} is the base64 of an ECDSA signature (P-256, SHA-256) over the body.",
            )

    @operation(
        "reportLeaks",
        "Report leaked keys",
        permission=PUBLIC,
        request=LeakReports,
        response=LeakVerdicts,
        problems=[HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE],
        example=[
            {
                "token_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "token_type": TOKEN_TYPE,
                "label": "true_positive",
            }
        ],
        request_example=[
            {
                "token": "gatesk_prj_prod_<43 characters>_<6 characters>",
                "type": TOKEN_TYPE,
                "url": "https://git.example/acme/app/blob/3f2a/settings.py",
                "source": "content",
            }
        ],
    )
    def post(self) -> list[dict[str, str]]:
        """Each key is revoked at once, and its owners are told. No credential: who holds a secret may report it.

        The shape is that of GitHub's secret scanning partner programme, feedback about false positives included.
        Tokens are never sent back, only their hash.
        """
        return [
            {
                "token_hash": hashlib.sha256(report["token"].encode()).hexdigest(),
                "token_type": report.get("type") or TOKEN_TYPE,
                "label": "true_positive" if self._is_ours(report) else "false_positive",
            }
            for report in cast("list[Mapping[str, Any]]", self.data)
        ]

    def _is_ours(self, report: Mapping[str, Any]) -> bool:
        return report_leak(secret=report["token"], source_url=report.get("url") or "")


class LeakPattern(ApiView):
    """How keys look, for scanners."""

    tag = TAG

    @operation(
        "getKeyPattern",
        "Return the pattern of secrets",
        permission=PUBLIC,
        response=KeyPattern,
        example={"type": TOKEN_TYPE, "pattern": SECRET_PATTERN, "checksum": "The last six characters…"},
    )
    def get(self) -> Mapping[str, str]:
        """What a secret scanner looks for, and how it tells a false alarm without asking."""
        return {
            "type": TOKEN_TYPE,
            "pattern": SECRET_PATTERN,
            "checksum": "The last six characters are the CRC-32 (IEEE) of everything before the last underscore, "
            "as a number in base 62 with the digits 0-9A-Za-z.",
        }


def _keys(path: Path) -> Any:
    """Return the keys that are trusted.

    Raises:
        Problem: 503, their file cannot be read; nothing is accepted unsigned instead.
    """
    try:
        return read_public_keys(path)
    except (OSError, ValueError) as error:
        logger.error("leak reports are refused: LEAK_REPORT_KEYS_FILE %s", error)  # noqa: TRY400 - one line says it all
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "signatures_unavailable",
            "Signatures cannot be checked at present, so that nothing was done. Send the report again later.",
            headers={"Retry-After": "300"},
        ) from error
