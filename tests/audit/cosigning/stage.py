"""What the tests of cosigning share: a log of somebody else's, and requests as it makes them."""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client

from audit import notes
from audit.cosigning.models import CosigningKey, WitnessedLog
from audit.cosigning.signatures import COSIGNATURE, VerifierKey
from audit.merkle import Edge, consistency_proof, fold, leaf_hash
from audit.notes import Checkpoint
from audit.services.cosigning import witness_log
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import INSTALLATION, tenant_scope

ORIGIN = "log.example/theirs"
PATH = "/api/v1/audit/witness/add-checkpoint"


@dataclass
class Log:
    """A log with its key, outside of any database."""

    origin: str = ORIGIN
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    leaves: list[bytes] = field(default_factory=list)
    time: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)

    @property
    def verifier_key(self) -> str:
        return notes.verifier_key(self.origin, self.key.public_key().public_bytes_raw())

    def grow(self, count: int) -> "Log":
        self.leaves += [leaf_hash(f"{len(self.leaves) + each}".encode()) for each in range(count)]
        self.time += timedelta(minutes=1)
        return self

    def note(self, origin: str = "") -> str:
        edge = Edge()
        for leaf in self.leaves:
            edge.append(leaf)
        name = origin or self.origin
        return notes.sign(Checkpoint(name, edge.size, edge.root(), self.time).text(), name, self.key)

    def proof(self, old: int) -> list[str]:
        def subtree(level: int, place: int) -> bytes:
            return fold(self.leaves[place << level : (place + 1) << level])

        path = consistency_proof(old, len(self.leaves), subtree) if old else []
        return [b64encode(each).decode() for each in path]

    def body(self, old: int, *, origin: str = "") -> bytes:
        return "\n".join([f"old {old}", *self.proof(old), "", self.note(origin)]).encode()


def submit(body: bytes) -> Any:
    return Client().post(PATH, body, content_type="text/plain")


def witnessed(key: str) -> WitnessedLog:
    with tenant_scope(INSTALLATION), acting_as(SYSTEM):
        return witness_log(key=key, actor=SYSTEM)


def another_key(name: str = "witness.example/w") -> str:
    """Return the key for cosignatures of some other installation."""
    return str(VerifierKey(name, COSIGNATURE, Ed25519PrivateKey.generate().public_key().public_bytes_raw()))


def own_key() -> VerifierKey:
    """Return what verifies the cosignatures of this installation."""
    with tenant_scope(INSTALLATION):
        key: CosigningKey = CosigningKey.objects.get()
        return key.verifier_key
