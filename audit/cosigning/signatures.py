"""Cosignatures as others' tools make and read them (C2SP tlog-cosignature, ``cosignature/v1``).

The signature is over two lines, ``cosignature/v1`` and ``time <seconds>``, and the checkpoint's text. It stands in a
line of the note: name, and base64 of key id, time (8 bytes, big-endian) and signature. Its key ids have 0x04 where
others have 0x01.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.merkle import HASH_BYTES
from audit.notes import ED25519, MalformedNote, key_id, verifier_key

COSIGNATURE = b"\x04"
"""What a verifier key is for besides notes (`ED25519`)."""

_ID_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 4, 8, 64
_DASH = "\u2014 "
_LATEST = 1 << 63


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as people pass it on: name, key id in hexadecimal digits, key in base64, with plus signs between.

    Attributes:
        name: whose; an origin, the beginning of origins, or a cosigner.
        kind: `ED25519` or `COSIGNATURE`.
        public: its 32 bytes.
    """

    name: str
    kind: bytes
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes by which a signature names it."""
        return key_id(self.name, self.public, self.kind)

    def __str__(self) -> str:
        return verifier_key(self.name, self.public, self.kind)

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Return the key that a text says.

        Raises:
            MalformedNote: it says none.
        """
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            raw = b64decode(encoded, validate=True)
        except ValueError:
            raw = b""
        found = cls(name, raw[:1], raw[1:])
        known = found.kind in {ED25519, COSIGNATURE} and len(found.public) == HASH_BYTES
        if not name or not name.isprintable() or " " in name or not known or found.id.hex() != identifier.lower():
            raise MalformedNote("This is no public key: name, key id and key, with plus signs between.")
        return found


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosigner's statement over a checkpoint.

    Attributes:
        name: the cosigner's.
        time: when it was made.
        line: as it stands in the note, with its newline.
    """

    name: str
    time: datetime
    line: str


def cosign(text: str, name: str, key: Ed25519PrivateKey, moment: datetime) -> str:
    """Return the line that cosigns a checkpoint's text.

    Args:
        text: of the checkpoint, up to and with its last newline.
        name: the cosigner's.
        key: the cosigner's.
        moment: now.
    """
    seconds = int(moment.timestamp())
    identifier = VerifierKey(name, COSIGNATURE, key.public_key().public_bytes_raw()).id
    signature = seconds.to_bytes(_TIME_BYTES, "big") + key.sign(_message(text, seconds))
    return f"{_DASH}{name} {b64encode(identifier + signature).decode()}\n"


def cosigned(text: str, lines: str, key: VerifierKey) -> Cosignature:
    """Return a cosigner's statement that is among the lines below a checkpoint.

    Args:
        text: of the checkpoint.
        lines: signature lines, of whomever.
        key: the cosigner's.

    Raises:
        MalformedNote: there is none that holds.
    """
    for line in lines.splitlines():
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            raw = b64decode(encoded, validate=True)
        except ValueError:
            continue
        whole = len(raw) == _ID_BYTES + _TIME_BYTES + _SIGNATURE_BYTES
        if not line.startswith(_DASH) or name != key.name or raw[:_ID_BYTES] != key.id or not whole:
            continue
        seconds = int.from_bytes(raw[_ID_BYTES : _ID_BYTES + _TIME_BYTES], "big")
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[-_SIGNATURE_BYTES:], _message(text, seconds))
            return Cosignature(name, datetime.fromtimestamp(seconds, UTC), f"{line}\n")
        except (InvalidSignature, ValueError, OverflowError, OSError):
            continue
    raise MalformedNote(f"{key.name} did not cosign this checkpoint.")


def _message(text: str, seconds: int) -> bytes:
    if seconds >= _LATEST:
        raise ValueError("beyond time")
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
