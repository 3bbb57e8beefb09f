"""The kinds of channels that an alert can be sent to beside e-mail, and what each is told."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from audit.sinks.base import Destination, Entry, Item, Option, Rejection
from audit.sinks.destinations.webhook import Webhook
from audit.sinks.exceptions import Refused
from audit.sinks.http import HttpDestination

from .messages import Message

_COLOURS = {"low": "#64748b", "medium": "#d97706", "high": "#dc2626", "critical": "#7f1d1d"}


class Channel(Destination):
    """A destination that takes one alert at a time."""

    @abstractmethod
    def tell(self, message: Message) -> None:
        """Send an alert, and return when the receiver has acknowledged it.

        Raises:
            DeliveryError: it has not.
        """

    def send(self, batch: Sequence[Item]) -> list[Rejection]:
        """Refuse: a channel takes no batches of events.

        Raises:
            Refused: always.
        """
        raise Refused(f"{self.label} takes alerts, no events.")


class AlertWebhook(Channel, Webhook):
    """Posts alerts to an address of the organization's own, signed as its sinks' webhooks are."""

    summary = "Signed JSON to an https address of yours (Standard Webhooks)."
    guarantee = (
        "An alert counts as sent when your address answers with a status from 200 to 299. One whose answer was lost "
        "comes again, with the same webhook-id."
    )
    options: ClassVar[tuple[Option, ...]] = (
        Option("url", "Address", "Where alerts are posted to.", Entry.URL),
        *Webhook.options[1:],
    )

    def tell(self, message: Message) -> None:
        """Post an alert.

        Raises:
            DeliveryError: by the status.
        """
        body = {"type": "alert.raised", "timestamp": message.raised_at.isoformat(), "data": message.as_json()}
        self.post_signed(message.identifier, json.dumps(body, ensure_ascii=False).encode())


class ChatWebhook(Channel, HttpDestination):
    """Posts alerts to a chat by an incoming webhook as Slack has them; Mattermost and Rocket.Chat take the same."""

    kind = "chat"
    label = "Slack-compatible webhook"
    summary = "A message in Slack, Mattermost or Rocket.Chat, by an incoming webhook."
    guarantee = "An alert counts as sent when the chat answers with a status from 200 to 299."
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "url",
            "Address of the incoming webhook",
            "Whoever has it can write there, so it is kept as a secret.",
            Entry.URL,
            secret=True,
        ),
    )

    def tell(self, message: Message) -> None:
        """Post an alert.

        Raises:
            DeliveryError: by the status.
        """
        lines = [f"{_plain(line)}" for line in message.lines]
        if message.link:
            lines.append(f"<{message.link}|Open the alert>")
        body = {
            "text": _plain(message.title),
            "attachments": [{"color": _COLOURS[message.severity], "text": "\n".join(lines)}],
        }
        headers = {"content-type": "application/json"}
        self.judge(self.post(json.dumps(body, ensure_ascii=False).encode(), headers))


CHANNELS: dict[str, type[Channel]] = {each.kind: each for each in (AlertWebhook, ChatWebhook)}


def opened(kind: str, options: Mapping[str, Any], channel_id: UUID) -> Channel:
    """Return what speaks to a channel.

    Raises:
        KeyError: there is no such kind.
    """
    return CHANNELS[kind](options, channel_id)


def _plain(text: str) -> str:
    """Return a text in which a chat finds no mentions and no links: strangers wrote parts of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
