"""A fake webhook of our own."""

from typing import Any

from tests.audit.sinks.fakes.base import Fake, check_record
from tests.audit.sinks.receivers import Answer, Request


class WebhookFake(Fake):
    kind = "webhook"

    def options(self) -> dict[str, Any]:
        return {"url": self.receiver.url}

    def accept(self, request: Request) -> Answer:
        events = request.json()["events"]
        if self.poison & {event["seq"] for event in events}:
            return Answer(400)
        for event in events:
            check_record(event, event["seq"], event["event"]["id"])
            self.store(event["seq"], event["event"]["id"])
        return Answer(200)
