"""A key is accepted or it is not: nothing that only looks like one is."""

import http.client
import json
import random
import sys
import time
import zlib
from collections.abc import Iterator
from itertools import islice

import pytest

from accounts.key_format import new_secret
from accounts.services.api_keys import revoke_api_key
from accounts.services.key_rules import IssuedKey
from tests.gateway.load import Load
from tests.gateway.process import Gateway, basic
from tests.gateway.stage import Keys
from tests.people import Tenant

BATCH = 100
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def told(line: str) -> None:
    """Print what a long run found."""
    sys.stdout.write(f"\n{line}\n")


def checksum(body: str) -> str:
    """Return the right checksum of a wrong key, as a forger computes it."""
    number, text = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        text = ALPHABET[digit] + text
    return text


def resealed(secret: str) -> str:
    body = secret.rsplit("_", 1)[0]
    return f"{body}_{checksum(body)}"


def bad_keys(good: list[str], chance: random.Random) -> Iterator[str]:
    """Yield wrong keys for ever: what happens to a right one on its way, and what a forger would try."""
    known = set(good)
    while True:
        secret = chance.choice(good)
        place = chance.randrange(len(secret))
        raw = bytearray(secret.encode())
        raw[place] ^= 1 << chance.randrange(7)
        prefix, kind, environment, random_part, check = secret.split("_")
        digit = chance.randrange(len(random_part))
        other = chance.choice(ALPHABET)
        changed = f"{prefix}_{kind}_{environment}_{random_part[:digit]}{other}{random_part[digit + 1 :]}_{check}"
        candidates = [
            raw.decode(),  # a bit flipped
            secret[:place],  # cut off
            secret[place:],
            secret.swapcase(),
            secret[:place] + secret[place:].upper(),
            secret[:place] + "\x00" + secret[place:],
            secret + chance.choice(["\x00", " ", "\n", "_", "\u200b", "=", "%00"]),
            chance.choice([" ", "\t", "\ufeff"]) + secret,
            secret.replace("_", "\uff3f"),
            secret.replace("a", "\u0430", 1) + ("" if "a" in secret else "x"),
            secret[:place] + chr(chance.randrange(0x80, 0xD800)) + secret[place + 1 :],
            secret * 2,
            secret + "x" * chance.randrange(1, 300),
            resealed(changed),  # another key with a right checksum
            resealed(secret.replace("_dev_", "_prod_")) if "_dev_" in secret else secret[1:],
            resealed(f"{prefix}_plt_{environment}_{random_part}_{check}"),
            resealed(f"{prefix}_svc_{environment}_{random_part}_{check}"),
            new_secret(chance.choice(["project", "organization", "personal"]), "development"),
            f"gatepk_prj_dev_x:{secret}",
            f":{secret}x",
            secret.replace("gatesk", "gatepk"),
            "",
        ]
        yield from (candidate for candidate in candidates if candidate not in known)


def try_them(gateway: Gateway, caller: str, good: list[str], number: int, seed: int = 62) -> None:
    """Ask for `number` wrong keys in batches; each batch has one right key in it, so that an answer means something."""
    chance = random.Random(seed)  # noqa: S311 - the same keys each time
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    headers = {"Content-Type": "application/json", "Authorization": caller}
    stream, tried = bad_keys(good, chance), 0
    started = time.monotonic()
    while tried < number:
        batch = list(islice(stream, BATCH - 1))
        batch.insert(place := chance.randrange(BATCH), good[0])
        while len(body := json.dumps({"tokens": batch}).encode()) > 60_000:
            batch = batch[place : place + 1] + batch[: len(batch) // 2]
            place = 0
        connection.request("POST", "/api/v1/introspect", body, headers)
        response = connection.getresponse()
        answer = response.read()
        assert response.status == 200, (response.status, answer)
        results = json.loads(answer)["results"]
        accepted = [token for token, result in zip(batch, results, strict=True) if result["active"]]
        assert set(accepted) == {good[0]}, accepted
        tried += len(batch) - 1
    connection.close()
    told(f"{tried} wrong keys, none accepted, no 5xx, {tried / (time.monotonic() - started):.0f} a second")


def rights(keys: Keys) -> list[str]:
    return [keys.project().secret, keys.organization().secret, keys.personal("member").secret]


def test_three_thousand_wrong_keys(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    try_them(gateway, basic(platform), rights(keys), 3_000)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_a_million_wrong_keys(gateway: Gateway, platform: IssuedKey, keys: Keys, seed: int) -> None:
    try_them(gateway, basic(platform), rights(keys), 100_000, seed)


def test_wrong_callers(gateway: Gateway, platform: IssuedKey, keys: Keys) -> None:
    """The same mistakes in the caller's own credential."""
    token = keys.project().secret
    for wrong in islice(bad_keys([platform.secret], random.Random(7)), 300):  # noqa: S311 - the same each time
        try:
            header = f"Bearer {wrong}".encode("latin-1").decode("latin-1")
        except UnicodeEncodeError:
            continue
        if any(character in header for character in "\r\n\x00") or header.split() == ["Bearer", platform.secret]:
            continue  # no client can send these, and blanks around a header's value do not count
        if not all(" " <= character <= "~" or character >= "\x80" for character in header):
            continue
        reply = gateway.ask(header, token)
        assert 400 <= reply.status < 500, (wrong, reply.status)


def latencies(gateway: Gateway, platform: IssuedKey, keys: Keys, acme: Tenant, number: int) -> list[float]:
    """Revoke keys that are in use, under load, and return how long each was still accepted anywhere."""
    seconds = []
    with Load(gateway, basic(platform), [keys.project().secret for _ in range(10)]):
        for _ in range(number):
            key = keys.project()
            asked = [gateway.ask(basic(platform), key.secret).is_active for _ in range(6)]
            assert all(asked)
            with acme.acting("owner") as owner:
                revoke_api_key(key=key.key, actor=owner, reason="test")
            since = time.monotonic()
            refusals, last = 0, 0.0
            while refusals < 12:  # each connection may reach another process
                refusals = 0 if gateway.ask(basic(platform), key.secret).is_active else refusals + 1
                if refusals == 1:
                    last = time.monotonic() - since
            seconds.append(last)
    return sorted(seconds)


def test_revocation_under_load(platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    with Gateway(workers=2) as gateway:
        seconds = latencies(gateway, platform, keys, acme, 20)
    assert seconds[-1] < 1.0


@pytest.mark.soak
def test_revocation_under_load_for_long(platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    with Gateway(workers=2) as gateway:
        seconds = latencies(gateway, platform, keys, acme, 500)
    p99 = seconds[int(len(seconds) * 0.99)]
    told(f"revocation under load, two processes: median {seconds[250] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
    assert p99 < 1.0
