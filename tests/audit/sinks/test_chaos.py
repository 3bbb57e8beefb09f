"""Chaos: whatever receivers do, nothing is missing, what comes twice has the same id, and the order stays."""

import random

import pytest

from audit.sinks.destinations import splunk_hec
from tests.audit.sinks.fakes.base import Fake, check_complete
from tests.audit.sinks.fakes.datadog import DatadogFake
from tests.audit.sinks.fakes.elasticsearch import ElasticsearchFake
from tests.audit.sinks.fakes.google_secops import GoogleSecOpsFake
from tests.audit.sinks.fakes.otlp import OtlpLogsFake
from tests.audit.sinks.fakes.s3 import S3Fake
from tests.audit.sinks.fakes.sentinel import SentinelFake
from tests.audit.sinks.fakes.splunk_hec import SplunkFake
from tests.audit.sinks.fakes.webhook import WebhookFake
from tests.audit.sinks.receivers import Answer, Receiver, Request
from tests.audit.sinks.stage import cursor_of, due, happen, turns
from tests.people import Tenant


class AcknowledgingSplunkFake(SplunkFake):
    """A collector whose token has indexer acknowledgement."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(receiver)
        self.has_acknowledgement = True


FAKES = [
    WebhookFake,
    SplunkFake,
    AcknowledgingSplunkFake,
    ElasticsearchFake,
    DatadogFake,
    SentinelFake,
    GoogleSecOpsFake,
    OtlpLogsFake,
    S3Fake,
]


def survive(fake: Fake, tenant: Tenant, events: int, batch: int, seed: int) -> None:
    """Deliver events to a receiver that breaks at every third request, and check what arrived."""
    chance = random.Random(seed)  # noqa: S311 - the same chaos each time
    faults = fake.faults()
    stands = True

    def fault(request: Request) -> Answer | None:
        if stands or chance.random() > 1 / 3:
            return None
        return chance.choice(faults)(request)

    fake.fault = fault
    sink = fake.sink(tenant, batch_events=batch)
    happen(tenant, events)
    if fake.has_poison:
        fake.poison = set(chance.sample(range(batch, events - batch), 3))
    stands = False
    for _try in range(20 * events // batch):
        turns()
        if cursor_of(sink).lag_events == 0:
            break
        due(tenant)
    check_complete(fake, tenant, sink)


@pytest.mark.parametrize("kind", FAKES)
def test_a_receiver_that_breaks_all_the_time_gets_everything(
    acme: Tenant, kind: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splunk_hec, "ACKNOWLEDGED_WITHIN", 0.2)
    with kind.running() as fake:
        survive(fake, acme, 240, 20, seed=7)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", FAKES)
def test_a_receiver_that_breaks_for_long_gets_everything(
    acme: Tenant, kind: type[Fake], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splunk_hec, "ACKNOWLEDGED_WITHIN", 0.2)
    with kind.running() as fake:
        survive(fake, acme, 20_000, 200, seed=seed)
        print(f"{kind.__name__}: {len(fake.requests()):,} requests, {len(fake.arrived):,} arrivals")  # noqa: T201 - what was done
