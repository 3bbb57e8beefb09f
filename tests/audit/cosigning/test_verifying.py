"""The auditor's own program reads cosignatures with no line of ours: what is cosigned, and what only says so."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.cosigning.signatures import COSIGNATURE, VerifierKey, cosign
from audit.verifier.gatehouse_verify import Unreadable, named_cosigner
from tests.audit.cosigning.stage import Log, another_key


def test_what_was_cosigned_and_what_only_says_so() -> None:
    log, private = Log().grow(3), Ed25519PrivateKey.generate()
    note = log.note()
    text = note.partition("\n\n")[0] + "\n"
    key = VerifierKey("witness.example/w", COSIGNATURE, private.public_key().public_bytes_raw())
    cosigner = named_cosigner(str(key))
    line = cosign(text, key.name, private, log.time)
    assert cosigner.opened(note) is None
    assert cosigner.opened(note + line) == log.time
    assert named_cosigner(another_key()).opened(note + line) is None
    other = cosign(Log().grow(4).note().partition("\n\n")[0] + "\n", key.name, private, log.time)
    with pytest.raises(ValueError, match="is not its signature"):
        cosigner.opened(note + other)
    assert cosigner.opened(note + other + line) == log.time


@pytest.mark.parametrize(
    "text",
    ["", "x", Log().verifier_key, "witness.example/w+00000000+BAAA"],
    ids=["empty", "no key", "of a log", "of another kind"],
)
def test_what_is_no_key_of_a_witness(text: str) -> None:
    with pytest.raises(Unreadable):
        named_cosigner(text)
