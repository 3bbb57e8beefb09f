"""The fake of an OTLP receiver as chaos wants it: what is poison it rejects, and does not say which it was."""

from typing import Any

from tests.audit.sinks.fakes.base import Fake
from tests.audit.sinks.otlp_fake import PATH, OtlpFake, attribute
from tests.audit.sinks.receivers import Answer, Request


class OtlpLogsFake(Fake):
    kind = "otlp"

    def options(self) -> dict[str, Any]:
        return {"url": self.receiver.url + PATH}

    def accept(self, request: Request) -> Answer:
        one = OtlpFake(rejects=lambda record: attribute(record, "gatehouse.seq") in self.poison)
        answer = one(request)
        for record in one.records:
            self.store(attribute(record, "gatehouse.seq"), attribute(record, "gatehouse.id"))
        return answer
