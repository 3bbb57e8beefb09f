"""Microsoft Sentinel: the Logs Ingestion API of Azure Monitor, by a data collection rule and an Entra application."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from audit.sinks.base import Entry, Item, Limits, Option, Rejection, refuse
from audit.sinks.bearer import BearerDestination
from audit.sinks.exceptions import Blocked
from audit.sinks.http import CONNECTION, json_value

PUBLIC_CLOUD = "https://login.microsoftonline.com"

_API_VERSION = "2023-01-01"
_AUDIENCES: Mapping[str, str] = {
    "login.microsoftonline.us": "https://monitor.azure.us",
    "login.chinacloudapi.cn": "https://monitor.azure.cn",
    "login.partner.microsoftonline.cn": "https://monitor.azure.cn",
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TENANT = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{2,252}")
_RULE = re.compile(r"dcr-[0-9a-f]{32}")
_STREAM = re.compile(r"(?:Custom|Microsoft)-[0-9A-Za-z_-]{1,90}")
_ACCEPTED = 204


class Sentinel(BearerDestination):
    """Posts rows to a stream of a data collection rule."""

    kind = "sentinel"
    label = "Microsoft Sentinel"
    summary = "A table of a Log Analytics workspace, by the Logs Ingestion API."
    steps = (
        "In Microsoft Entra, register an application and make a client secret: copy its value, not its ID.",
        (
            "In Azure, make a custom table and a data collection rule with a stream for it (docs/siem/sentinel.md "
            "has both)."
        ),
        "On the rule, give the application the role Monitoring Metrics Publisher; it counts after up to half an hour.",
        "Write endpoint, immutable ID, stream, tenant, application and secret here, then send a test event.",
    )
    guarantee = (
        "A batch counts as delivered when Azure Monitor has accepted it (204). It writes to the table some minutes "
        "later: what the rule's transformation leaves out or cannot read is lost without a word to us; the table "
        "DCRLogErrors tells. What is sent again has the same EventId; the table keeps both."
    )
    giver = "Entra"
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "url",
            "Logs ingestion endpoint",
            "In Azure: Monitor > Data Collection Rules > your rule > JSON view, logsIngestion. Or that of a data "
            "collection endpoint.",
            Entry.URL,
        ),
        Option("rule", "Immutable ID of the rule", "Beside it: dcr- and 32 digits and letters."),
        Option(
            "stream",
            "Stream",
            "In the rule's streamDeclarations, such as Custom-Gatehouse_CL.",
            default="Custom-Gatehouse_CL",
        ),
        Option("tenant_id", "Directory (tenant) ID", "In Entra: App registrations > your application > Overview."),
        Option("client_id", "Application (client) ID", "On the same page."),
        Option(
            "client_secret",
            "Client secret",
            "In Entra: the application > Certificates & secrets. The value, not the secret's ID.",
            secret=True,
        ),
        Option(
            "authority",
            "Where Entra signs in",
            "Another one in national clouds: https://login.microsoftonline.us, "
            "https://login.partner.microsoftonline.cn.",
            Entry.URL,
            default=PUBLIC_CLOUD,
        ),
        *(option for option in CONNECTION if option.name in {"authorities", "proxy"}),
    )
    # 1 MB for a call, less what goes around an event; a column's value is cut off at 64 KB.
    limits = Limits(events=500, bytes=800_000, item=64_000)
    batch_seconds = 2
    advice: ClassVar[Mapping[int, str]] = {
        401: "Azure does not take the token. Check tenant, application and cloud.",
        403: "Give the application the role Monitoring Metrics Publisher on the rule; it counts after up to half an "
        "hour.",
        404: "Check the endpoint, the rule's immutable ID and the stream.",
    }

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """Refuse identifiers that cannot be right.

        Raises:
            DomainError: with the option's name.
        """
        super().check(options)
        if urlsplit(str(options.get("url", ""))).path not in {"", "/"}:
            raise refuse("url", "Write the endpoint alone, such as https://name.westeurope-1.ingest.monitor.azure.com.")
        if not _RULE.fullmatch(str(options.get("rule", ""))):
            raise refuse("rule", "The immutable ID is dcr- and 32 digits and letters. It is not the rule's name.")
        if not _STREAM.fullmatch(str(options.get("stream", ""))):
            raise refuse("stream", "A stream begins with Custom- or Microsoft-, such as Custom-Gatehouse_CL.")
        if not _TENANT.fullmatch(str(options.get("tenant_id", ""))):
            raise refuse("tenant_id", "The tenant is a UUID, or a domain of the directory.")
        if not _GUID.fullmatch(str(options.get("client_id", ""))):
            raise refuse("client_id", "The application's ID is a UUID.")

    def address(self) -> str:
        """Return the URL of the stream."""
        root = str(self.given["url"]).rstrip("/")
        path = f"dataCollectionRules/{self.given['rule']}/streams/{self.given['stream']}"
        return f"{root}/{path}?api-version={_API_VERSION}"

    def token_request(self) -> tuple[str, Mapping[str, str]]:
        """Return where Entra gives a token, and the client's credentials."""
        authority = str(self.given["authority"]).rstrip("/")
        audience = _AUDIENCES.get(urlsplit(authority).hostname or "", "https://monitor.azure.com")
        return f"{authority}/{self.given['tenant_id']}/oauth2/v2.0/token", {
            "grant_type": "client_credentials",
            "client_id": str(self.given["client_id"]),
            "client_secret": str(self.given["client_secret"]),
            "scope": f"{audience}//.default",
        }

    def credentials(self) -> str:
        """Return what a token depends on."""
        names = ("authority", "tenant_id", "client_id", "client_secret")
        return json.dumps([str(self.given[name]) for name in names])

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Post a batch.

        Raises:
            Later, Blocked, Refused: by the status.
        """
        body = f"[{','.join(_row(item) for item in batch)}]".encode()
        reply = self.post_with_token(body, {"content-type": "application/json"}, packed=True)
        self.judge(reply)
        if reply.status != _ACCEPTED:
            raise Blocked(f"{self.told(reply)} Azure Monitor says 204. Check the endpoint.")
        return []


def _row(item: Item) -> str:
    moment = item.time.isoformat()
    columns = {
        # Azure replaces a TimeGenerated of more than two days ago; EventTime stays.
        "TimeGenerated": moment,
        "EventTime": moment,
        "EventId": item.id,
        "Seq": item.seq,
        "Log": str(item.log),
        "Action": item.action,
    }
    return f'{json.dumps(columns)[:-1]},"Record":{json_value(item)}}}'
