"""Datadog's log intake, version 2 (https://docs.datadoghq.com/api/latest/logs/#send-logs)."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.http import CONNECTION, HttpDestination, is_json

_SITES = (
    ("datadoghq.com", "US1: app.datadoghq.com"),
    ("us3.datadoghq.com", "US3: us3.datadoghq.com"),
    ("us5.datadoghq.com", "US5: us5.datadoghq.com"),
    ("datadoghq.eu", "EU1: app.datadoghq.eu"),
    ("ap1.datadoghq.com", "AP1: ap1.datadoghq.com"),
    ("ap2.datadoghq.com", "AP2: ap2.datadoghq.com"),
    ("uk1.datadoghq.com", "UK1: uk1.datadoghq.com"),
    ("ddog-gov.com", "US1-FED: app.ddog-gov.com"),
    ("us2.ddog-gov.com", "US2-FED: us2.ddog-gov.com"),
)
_CLOCK = timedelta(hours=12)
"""Datadog refuses logs whose time is more than 18 hours ago, after it has accepted them: older ones get no time."""

_KEY = re.compile(r"[!-~]{8,200}")
_TAGS = re.compile(r"[^\s,][^,\n]{0,199}(?:,[^\s,][^,\n]{0,199}){0,49}")


class Datadog(HttpDestination):
    """Posts batches of logs."""

    kind = "datadog"
    label = "Datadog"
    summary = "Datadog Log Management, by its log intake."
    steps = (
        "In Datadog, Organization Settings > API Keys: make a key. An application key does not work.",
        "Write your site, the key, a service and tags here.",
        (
            "See that no exclusion filter and no daily quota of your indexes leaves source:gatehouse out, then "
            "send a test event."
        ),
    )
    guarantee = (
        "A batch counts as delivered when Datadog has accepted it (202). Datadog indexes it afterwards: index filters, "
        "quotas and pipelines of yours may still leave events out, and nobody tells us. What is sent again has the "
        "same event id; Datadog keeps both."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "site",
            "Site",
            "Where you sign in to Datadog.",
            Entry.CHOICE,
            default="datadoghq.com",
            choices=_SITES,
        ),
        Option("api_key", "API key", "In Datadog: Organization Settings > API Keys.", secret=True),
        Option("service", "Service", "The attribute service.", required=False, default="gatehouse"),
        Option("tags", "Tags", "Such as env:prod,team:security.", required=False),
        Option(
            "url",
            "Address of your own proxy",
            "In place of the site's, such as https://datadog-proxy.example/api/v2/logs.",
            Entry.URL,
            required=False,
        ),
        *(option for option in CONNECTION if option.name in {"authorities", "proxy"}),
    )
    # 5 MB, 1,000 entries and 1 MB for one (more is cut off), less what goes around an event.
    limits = Limits(events=1_000, bytes=4_500_000, item=900_000)
    batch_seconds = 2
    refused = frozenset({400, 413})
    advice: ClassVar[Mapping[int, str]] = {
        401: "Datadog misses the API key. Type it in again.",
        403: "The API key is not valid at this site. Check both: each site has keys of its own.",
    }

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse a key, tags or an address that cannot work.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        if not _KEY.fullmatch(str(options.get("api_key", ""))):
            raise refuse("api_key", "The API key has letters and digits only, without blanks.")
        tags = str(options.get("tags") or "")
        if tags and not _TAGS.fullmatch(tags):
            raise refuse("tags", "Write tags as env:prod,team:security.")

    def address(self) -> str:
        """Return the URL of the intake."""
        return str(self.given.get("url") or f"https://http-intake.logs.{self.given['site']}/api/v2/logs")

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Post a batch.

        Raises:
            Later, Blocked, Refused: by the status.
        """
        body = f"[{','.join(self._entry(item) for item in batch)}]".encode()
        headers = {"content-type": "application/json", "dd-api-key": str(self.given["api_key"])}
        self.judge(self.post(body, headers, packed=True))
        return []

    def _entry(self, item: Item) -> str:
        entry: dict[str, Any] = {
            "ddsource": "gatehouse",
            "service": self.given.get("service") or "gatehouse",
            "message": item.action if is_json(item) else item.text,
            "event_id": item.id,
            "event_seq": item.seq,
            "event_log": str(item.log),
            "event_time": item.time.isoformat(),
        }
        if tags := self.given.get("tags"):
            entry["ddtags"] = tags
        if timezone.now() - item.time < _CLOCK:
            entry["timestamp"] = int(item.time.timestamp() * 1_000)
        text = json.dumps(entry, ensure_ascii=False)
        return f'{text[:-1]},"gatehouse":{item.text}}}' if is_json(item) else text
