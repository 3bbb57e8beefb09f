"""Fills a gateway's memory with 100,000 keys and prints, as JSON, by how many megabytes the process grew."""

import json
import sys
import time
import uuid
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from gateway.hotpath.app import Gateway, _Remembered
from gateway.hotpath.config import Config
from gateway.hotpath.memory import Memory
from gateway.hotpath.records import MemoryRecord, record_of

KEYS = 100_000


def row(number: int) -> dict[str, object]:
    """Return one key as the database tells it; a thousand organizations, ten projects in each."""
    organization = number % 1_000
    return {
        "id": str(uuid.uuid4()),
        "kind": "project",
        "name": f"Key {number}",
        "public_id": f"gatepk_prj_prod_{uuid.uuid4().hex[:22]}_{number:06d}",
        "environment": "production",
        "scopes": ["traces:read", "traces:write"],
        "allowed_networks": [],
        "issued": 1_800_000_000,
        "expires": 1_900_000_000,
        "lives": 1e6,
        "closed": False,
        "organization_id": str(uuid.UUID(int=organization)),
        "organization": f"organization-{organization}",
        "project_id": str(uuid.UUID(int=1_000_000 + number % 10_000)),
        "project": f"project-{number % 10_000}",
        "asked_id": None,
        "asked": None,
        "user_id": None,
        "service_account_id": None,
        "authority": [],
    }


def megabytes() -> float:
    """Return what this process holds."""
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    """Measure."""
    memory: Memory[MemoryRecord] = Memory(size=KEYS, remember=10, remember_unknown=2)
    memory.trusted_until = time.monotonic() + 1e6
    gateway = Gateway()
    gateway._config = Config(conninfo="", cache_keys=KEYS)  # as its start, which this process has no database for
    record_of(row(0), "")
    before = megabytes()
    caller = record_of(row(0), "")
    records = []
    for number in range(KEYS):
        record = record_of(json.loads(json.dumps(row(number))), "")
        memory._keep(memory.place_of(f"gatesk {number}"), record, time.monotonic() + 1e6)
        records.append(record)
    filled = megabytes()
    for number, record in enumerate(records):
        message = {"type": "http.response.body", "body": record.body}
        place = memory.place_of(f"answer {number}")
        gateway._remember(place, _Remembered(caller, record, message, "127.0.0.1", None))
    print(json.dumps({"records": filled - before, "answers": megabytes() - before}))


if __name__ == "__main__":
    main()
