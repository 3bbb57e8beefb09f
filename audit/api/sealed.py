"""The sealed log by API, in the order of its numbers: what a SIEM pulls that cannot be pushed to."""

import threading
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from rest_framework import serializers

from api.conditional import is_unchanged
from api.operation import AUTHENTICATED, Filter, operation
from api.views import ApiView, OrganizationView
from audit.audit_events import record_pull
from audit.querysets import EXPORT
from audit.sealing.logs import head
from audit.services.whole_log import require_whole_log
from audit.sinks.base import Limits
from audit.sinks.models import Sink
from audit.sinks.records import stretch
from isolation.exceptions import DomainError

TAG = "Audit log"
MEDIA_TYPE = "application/x-ndjson"

DEFAULT_LIMIT, LARGEST_LIMIT = 500, 5_000
LARGEST_ANSWER = 8_000_000
LONGEST_WAIT = 20
_LOOK_EVERY = 0.5
"""Seconds; events are sealed about once a second."""

_waiting = threading.BoundedSemaphore(2)
"""Requests that may wait for events in one process: others are answered at once, so that pages keep their threads."""

FILTERS = {
    "after_seq": Filter(
        serializers.IntegerField(
            min_value=-1, required=False, help_text="The last number that you have; without it, from the beginning."
        )
    ),
    "limit": Filter(
        serializers.IntegerField(
            min_value=1,
            max_value=LARGEST_LIMIT,
            help_text=f"Lines at most, {DEFAULT_LIMIT} by default; an answer of 8 MB ends earlier.",
        )
    ),
    "wait": Filter(
        serializers.IntegerField(
            min_value=0,
            max_value=LONGEST_WAIT,
            help_text=f"Seconds to wait when there is no event, at most {LONGEST_WAIT}; a busy server does not wait.",
        )
    ),
    "proofs": Filter(
        serializers.BooleanField(help_text="false leaves out what proves a line: leaf, openings, checkpoints.")
    ),
}


class _Sealed(ApiView):
    """Answers with lines of docs/audit/format.md."""

    def lines(self) -> HttpResponse:
        """Return the lines after a number."""
        if self.organization is None:
            raise DomainError(
                "A session may have several organizations. Name one: /organizations/{organization}/audit/events.",
                code="organization_needed",
            )
        require_whole_log(self.actor)
        log = self.organization.pk
        start = self.query.get("after_seq", -1) + 1
        record_pull(self.actor, log, start - 1)
        end = self._sealed(log, start)
        limits = Limits(events=self.query.get("limit", DEFAULT_LIMIT), bytes=LARGEST_ANSWER)
        reader = Sink(organization_id=log, has_proofs=self.query.get("proofs", True))
        found = stretch(reader, log, start, end, limits) if start < end else None
        last = start - 1 if found is None else found.end - 1
        headers = {
            "ETag": f'"{log.hex[:8]}-{start}-{last}-{int(reader.has_proofs)}"',
            "Link": f'<{self._next(last)}>; rel="next"',
            "Gatehouse-Log-Size": str(end),
        }
        if is_unchanged(self.request, headers["ETag"]):
            return HttpResponse(status=304, headers=headers)
        body = "".join(f"{item.text}\n" for item in found.items) if found is not None else ""
        return HttpResponse(body, content_type=MEDIA_TYPE, headers=headers)

    def _sealed(self, log: Any, start: int) -> int:
        """Return how many events are sealed, after waiting for one where that was asked."""
        sealed, patience = head(log), self.query.get("wait", 0)
        if sealed > start or not patience or not _waiting.acquire(blocking=False):
            return sealed
        try:
            deadline = time.monotonic() + patience
            while sealed <= start and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY)
                sealed = head(log)
        finally:
            _waiting.release()
        return sealed

    def _next(self, last: int) -> str:
        kept = {name: str(value) for name, value in self.request.query_params.items() if name != "after_seq"}
        return f"{self.request.path}?{urlencode({'after_seq': last, **kept})}"


class SealedEvents(_Sealed, OrganizationView):
    """The sealed log of an organization."""

    tag = TAG

    @operation(
        "pullAuditEvents",
        "Pull sealed audit events in order",
        permission=EXPORT,
        media_types=[MEDIA_TYPE],
        filters=FILTERS,
        problems=[HTTPStatus.UNPROCESSABLE_ENTITY],
    )
    def get(self) -> HttpResponse:
        """One JSON object a line, by the number `seq`, without a gap. Follow the `Link` with rel="next" for ever."""
        return self.lines()


class OwnSealedEvents(_Sealed):
    """The sealed log of the key's own organization."""

    tag = TAG

    @operation(
        "pullOwnAuditEvents",
        "Pull the sealed audit events of the key's organization",
        permission=AUTHENTICATED,
        media_types=[MEDIA_TYPE],
        filters=FILTERS,
        problems=[HTTPStatus.UNPROCESSABLE_ENTITY],
    )
    def get(self) -> HttpResponse:
        """As for a named organization, with `audit_log:export`. A session, which may have several, has to name one."""
        return self.lines()
