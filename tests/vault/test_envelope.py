"""The format of a ciphertext: whatever is changed about it or its place, it does not open."""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cache import DataKeyCache
from vault.envelope import SHORTEST, Place, data_key_of, seal, unseal
from vault.exceptions import CannotDecrypt
from vault.hidden import Hidden

KEY, OTHER_KEY = Hidden(b"k" * 32), Hidden(b"o" * 32)
DATA_KEY = UUID("6f0f3c3e-6c0f-4d0e-9d43-0e1f4a1f2b11")
HERE = Place(UUID(int=1), "tenants_note", "secret", "row")

names = st.text(max_size=12)
places = st.builds(Place, st.uuids(), names, names, names)


@given(st.binary(max_size=300), places)
def test_it_comes_back_in_its_place(text: bytes, place: Place) -> None:
    ciphertext = seal(KEY, DATA_KEY, place, Hidden(text))
    assert len(ciphertext) == SHORTEST + len(text)
    assert data_key_of(ciphertext) == DATA_KEY
    assert unseal(KEY, place, ciphertext) == Hidden(text)


@given(st.data(), st.binary(max_size=40))
def test_no_flipped_bit_is_accepted(data: st.DataObject, text: bytes) -> None:
    ciphertext = bytearray(seal(KEY, DATA_KEY, HERE, Hidden(text)))
    bit = data.draw(st.integers(0, len(ciphertext) * 8 - 1))
    ciphertext[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CannotDecrypt):
        unseal(KEY, HERE, bytes(ciphertext))


def test_every_flipped_bit_of_one_ciphertext_is_refused() -> None:
    ciphertext = seal(KEY, DATA_KEY, HERE, Hidden(b"text"))
    for bit in range(len(ciphertext) * 8):
        changed = bytearray(ciphertext)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CannotDecrypt):
            unseal(KEY, HERE, bytes(changed))


@given(places, places)
def test_no_other_place_is_accepted(here: Place, there: Place) -> None:
    ciphertext = seal(KEY, DATA_KEY, here, Hidden(b"text"))
    if here == there:
        return
    with pytest.raises(CannotDecrypt):
        unseal(KEY, there, ciphertext)


@pytest.mark.parametrize(
    "other",
    [
        replace(HERE, organization_id=UUID(int=2)),
        replace(HERE, table="tenants_not", column="esecret"),
        replace(HERE, column="secre", row="trow"),
        replace(HERE, row="row2"),
    ],
)
def test_parts_of_a_place_do_not_run_into_each_other(other: Place) -> None:
    with pytest.raises(CannotDecrypt):
        unseal(KEY, other, seal(KEY, DATA_KEY, HERE, Hidden(b"text")))


@given(st.binary(max_size=120))
def test_any_bytes_are_refused(garbage: bytes) -> None:
    with pytest.raises(CannotDecrypt):
        unseal(KEY, HERE, garbage)


@given(st.integers(0, 80))
def test_a_cut_or_longer_ciphertext_is_refused(length: int) -> None:
    ciphertext = seal(KEY, DATA_KEY, HERE, Hidden(b"text"))
    for changed in (ciphertext[:length][: len(ciphertext) - 1], ciphertext + b"\x00"):
        with pytest.raises(CannotDecrypt):
            unseal(KEY, HERE, changed)


def test_another_key_is_refused_and_the_message_names_the_data_key_only() -> None:
    ciphertext = seal(KEY, DATA_KEY, HERE, Hidden(b"text"))
    with pytest.raises(CannotDecrypt) as refused:
        unseal(OTHER_KEY, HERE, ciphertext)
    assert str(refused.value) == f"A stored secret cannot be opened (data key {DATA_KEY}). Set it again."
    assert refused.value.__cause__ is None


def test_no_nonce_comes_twice() -> None:
    nonces = {seal(KEY, DATA_KEY, HERE, Hidden(b""))[17:29] for _ in range(2000)}
    assert len(nonces) == 2000


def test_memory_is_bounded_and_forgets_in_time() -> None:
    now = 100.0
    cache = DataKeyCache(capacity=3, clock=lambda: now)
    organization, other = uuid4(), uuid4()
    ids = [uuid4() for _ in range(4)]
    for data_key in ids:
        cache.put(organization, data_key, KEY, seconds=10)
    assert len(cache) == 3
    assert cache.get(organization, ids[0]) is None
    assert cache.get(organization, ids[3]) == KEY
    assert cache.get(other, ids[3]) is None, "another organization does not get it by its id"
    now = 110.0
    assert cache.get(organization, ids[3]) is None
    cache.put(organization, ids[0], KEY, seconds=0)
    assert cache.get(organization, ids[0]) is None
    cache.put(organization, ids[0], KEY, seconds=10)
    cache.put(other, ids[1], KEY, seconds=10)
    cache.forget(organization)
    assert cache.get(organization, ids[0]) is None
    assert cache.get(other, ids[1]) == KEY
