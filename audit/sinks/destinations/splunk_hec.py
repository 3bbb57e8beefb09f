"""Splunk's HTTP Event Collector: its event endpoint, its codes, and indexer acknowledgement where a token has it."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.exceptions import Blocked, Later, Refused
from audit.sinks.http import CONNECTION, HttpDestination, json_value, retry_after
from outbound.exchange import Reply

ACKNOWLEDGED_WITHIN = 30.0
"""Seconds that we wait until Splunk has indexed a batch, in all its parts; the lease of a turn is longer."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_ACCUSED = 5
"""Events that are set aside by the numbers that Splunk tells, in one batch; then it is halved."""

# Splunk, "Troubleshoot HTTP Event Collector", possible error codes. 24 and 25 warn that a queue is nearly full.
_ACCEPTED = frozenset({0, 24, 25})
_LATER = frozenset({8, 9, 18, 19, 20, 23, 26, 27})
_BLOCKED: Mapping[int, str] = {
    1: "The token is disabled in Splunk: enable it.",
    2: "Type in the token again.",
    3: "Type in the token again: the value alone, as Splunk shows it.",
    4: "Splunk knows no such token. Copy it from Settings > Data inputs > HTTP Event Collector.",
    7: "The token may not write to this index, or there is none. Allow it in the token's settings, or name another.",
    10: "Something between us and Splunk takes the header X-Splunk-Request-Channel away.",
    11: "Something between us and Splunk changes the header X-Splunk-Request-Channel.",
    14: "The token has no indexer acknowledgement. Switch it on in the token's settings, or do not require it here.",
    16: "The address carries a token. Leave it out: it is sent in a header.",
    21: "Splunk knows no such token. Copy it from Settings > Data inputs > HTTP Event Collector.",
    22: "The token is disabled in Splunk: enable it.",
}
_REFUSED = frozenset({5, 6, 12, 13, 15})

_PATH = re.compile(r"/services/collector(?:/event(?:/1\.0)?)?/?$")
_TOKEN = re.compile(r"[!-~]{8,200}")
_COOKIE = re.compile(r"(?:^|, ?)([!#$%&'*+.^_`|~0-9A-Za-z-]+=[!#-+./0-:<-~-]{0,1000})")
_MOST_COOKIES = 10


class _Invalid(Refused):
    """Splunk says which event of the batch it does not accept.

    Args:
        reason: as in Refused.
        number: the event's position in what was sent.
    """

    def __init__(self, reason: str, number: int) -> None:
        super().__init__(reason)
        self.number = number


class SplunkHec(HttpDestination):
    """Posts batches to a collector, and waits until they are indexed where the token has that switched on."""

    kind = "splunk_hec"
    label = "Splunk"
    summary = "HTTP Event Collector of Splunk Enterprise or Splunk Cloud."
    steps = (
        "In Splunk, Settings > Data inputs > HTTP Event Collector > Global Settings: enable all tokens, leave SSL on.",
        (
            "New Token: allow the index where events shall be and make it the default. Splunk Enterprise: enable "
            "indexer acknowledgement."
        ),
        "Copy the token value. Write it here with the collector's address, then send a test event.",
    )
    guarantee = (
        "With indexer acknowledgement, a batch counts as delivered when Splunk says that it is indexed. Without it, "
        "when Splunk has accepted it into a queue in memory: an indexer that crashes then loses it. What is sent again "
        "has the same event id; Splunk keeps both, so searches drop duplicates by it."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "url",
            "Address",
            "Of the collector, such as https://splunk.example:8088, or "
            "https://http-inputs-acme.splunkcloud.com for Splunk Cloud.",
            Entry.URL,
        ),
        Option(
            "token",
            "Token",
            "In Splunk: Settings > Data inputs > HTTP Event Collector. The value alone.",
            secret=True,
        ),
        Option("index", "Index", "Empty: the token's default index.", required=False),
        Option("source", "Source", "Empty: the token's.", required=False, default="gatehouse"),
        Option("sourcetype", "Source type", "Empty: the token's.", required=False, default="gatehouse:audit"),
        Option("host", "Host", "What events name as their host.", required=False),
        Option(
            "acknowledgement",
            "Require indexer acknowledgement",
            "The token has to have it switched on. Where it is on, we wait for it even if it is not required here.",
            Entry.FLAG,
            required=False,
            default=False,
        ),
        *CONNECTION,
    )
    # Splunk Cloud wants requests of at most 1 MB, with what goes around an event.
    limits = Limits(events=1_000, bytes=750_000)

    def __init__(self, options: Mapping[str, Any], sink_id: Any) -> None:
        super().__init__(options, sink_id)
        self._cookies: dict[str, str] = {}
        self._patient_until = 0.0

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse an address or a token that cannot work.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        if not _TOKEN.fullmatch(str(options.get("token", ""))):
            raise refuse("token", "The token is its value alone, without the word Splunk before it and without blanks.")
        if "?" in str(options.get("url", "")):
            raise refuse("url", "Leave out what comes after ?. The token is sent in a header.")

    def address(self) -> str:
        """Return the URL of the event endpoint."""
        return f"{self._root()}/services/collector/event"

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Post a batch; around an event that Splunk points at, in parts.

        Raises:
            Later, Blocked, Refused: by code and status.
        """
        self._patient_until = time.monotonic() + ACKNOWLEDGED_WITHIN
        rejections: list[Rejection] = []
        start = 0
        while start < len(batch):
            try:
                self._deliver(batch[start:])
                break
            except _Invalid as error:
                bad = start + error.number
                if len(batch) == 1 or bad >= len(batch) or len(rejections) == _ACCUSED:
                    raise
            if bad > start:
                self._deliver(batch[start:bad])
            try:
                self._deliver(batch[bad : bad + 1])
            except Refused as error:
                rejections.append(Rejection(bad, error.reason))
            start = bad + 1
        return rejections

    def _deliver(self, part: Sequence[Item]) -> None:
        body = "\n".join(self._envelope(item) for item in part).encode()
        answer = self._ask(body, self.address(), packed=True)
        number = answer.get("ackId")
        if isinstance(number, int):
            self._wait_until_indexed(number)
        elif self.given.get("acknowledgement"):
            raise Blocked(f"Splunk accepts events, but confirms nothing. {_BLOCKED[14]}")

    def _wait_until_indexed(self, number: int) -> None:
        pause = _FIRST_PAUSE
        url = f"{self._root()}/services/collector/ack?channel={self.sink_id}"
        body = json.dumps({"acks": [number]}).encode()
        while True:
            acknowledged = self._ask(body, url).get("acks")
            if isinstance(acknowledged, dict) and acknowledged.get(str(number)) is True:
                return
            if time.monotonic() + pause > self._patient_until:
                raise Later(
                    f"Splunk accepted the events, but did not confirm within {ACKNOWLEDGED_WITHIN:g} seconds that they "
                    "are indexed. They are sent again. If it stays so, look at its indexing queues, and whether the "
                    "load balancer keeps a client at one indexer."
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _ask(self, body: bytes, url: str, *, packed: bool = False) -> dict[str, Any]:
        """Post, and return what Splunk says of a success.

        Raises:
            Later, Blocked, Refused: it was none.
        """
        headers = {
            "authorization": f"Splunk {self.given['token']}",
            "content-type": "application/json",
            "x-splunk-request-channel": str(self.sink_id),
        }
        if self._cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        reply = self.post(body, headers, url, packed=packed)
        self._keep_cookies(reply)
        try:
            answer = json.loads(reply.body)
        except (ValueError, RecursionError):
            answer = None
        code = answer.get("code") if isinstance(answer, dict) else None
        if isinstance(code, int):
            self._judge_code(code, reply, answer)
        else:
            self.judge(reply)
            if not isinstance(answer, dict) or "acks" not in answer:
                raise Blocked(f"{self.told(reply)} No event collector answers so. Check the address and its port.")
        return dict(answer)

    def _judge_code(self, code: int, reply: Reply, answer: Mapping[str, Any]) -> None:
        told = f"Splunk answered with code {code}: “{self.shown(str(answer.get('text', '')))}”."
        if code in _BLOCKED:
            raise Blocked(f"{told} {_BLOCKED[code]}")
        if code in _LATER:
            raise Later(told, retry_after(reply))
        if code in _REFUSED:
            number = answer.get("invalid-event-number")
            if isinstance(number, int) and number >= 0:
                raise _Invalid(told, number)
            raise Refused(told)
        self.judge(reply)
        if code not in _ACCEPTED:
            raise Later(told)

    def _envelope(self, item: Item) -> str:
        meta = {name: self.given[name] for name in ("host", "source", "sourcetype", "index") if self.given.get(name)}
        meta["time"] = round(item.time.timestamp(), 3)
        meta["fields"] = {"seq": item.seq, "id": item.id, "log": str(item.log)}
        return f'{json.dumps(meta, ensure_ascii=False)[:-1]},"event":{json_value(item)}}}'

    def _root(self) -> str:
        return _PATH.sub("", str(self.given["url"])).rstrip("/")

    def _keep_cookies(self, reply: Reply) -> None:
        """Keep what a load balancer knows its clients by: only the indexer that took a batch confirms it."""
        for found in _COOKIE.findall(reply.headers.get("set-cookie", "")):
            name, _, value = found.partition("=")
            if name in self._cookies or len(self._cookies) < _MOST_COOKIES:
                self._cookies[name] = value
