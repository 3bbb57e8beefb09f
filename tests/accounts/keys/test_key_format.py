"""How keys look: whatever is done to one by mistake is noticed without asking anybody."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import key_format
from accounts.key_format import (
    ENVIRONMENT_CODES,
    KIND_CODES,
    SECRET_PATTERN,
    KeyKind,
    KeyText,
    new_public_id,
    new_secret,
    parse_public_id,
    parse_secret,
)
from accounts.scope_presets import PRESETS
from tenants.permissions import PERMISSIONS, Level

TEXT = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
kinds, environments = st.sampled_from(sorted(KIND_CODES)), st.sampled_from(sorted(ENVIRONMENT_CODES))


@given(kinds, environments)
def test_a_key_says_whose_and_for_what_it_is(kind: str, environment: str) -> None:
    said = KeyText(KeyKind(kind), environment)
    secret, public_id = new_secret(kind, environment), new_public_id(kind, environment)
    assert (parse_secret(secret), parse_public_id(public_id)) == (said, said)
    assert (parse_secret(public_id), parse_public_id(secret)) == (None, None)
    assert len(secret) in {65, 66}, "the names of environments differ"
    assert len(public_id) <= 60
    for text in (secret, public_id):
        assert re.fullmatch(r"\w+", text, re.ASCII), "a double click selects all of it"


@pytest.mark.parametrize("make", [new_secret, new_public_id])
def test_every_single_mistake_is_noticed(make: object) -> None:
    parse = {new_secret: parse_secret, new_public_id: parse_public_id}[make]  # type: ignore[index]
    for kind in KIND_CODES:
        text = make(kind, "production")  # type: ignore[operator]
        wrong = {text[:length] for length in range(len(text))}
        wrong |= {text[start:] for start in range(1, len(text))}
        wrong |= {text[:n] + text[n + 1 :] for n in range(len(text))}
        wrong |= {text[:n] + other + text[n + 1 :] for n in range(len(text)) for other in TEXT + "_- .é\x00"}
        wrong |= {text[:n] + other + text[n:] for n in range(len(text) + 1) for other in "0aZ_ \n\x00"}
        wrong |= {text[:n] + b + a + text[n + 2 :] for n, (a, b) in enumerate(pairwise(text))}
        wrong |= {text[:n] + text[n:].swapcase() for n in range(len(text))}
        wrong |= {text.upper(), text.lower(), text + text, f" {text}", f"{text} ", f"{text}\n", f'"{text}"'}
        wrong -= {text}
        assert [one for one in wrong if parse(one) is not None] == []


@given(st.text(max_size=100))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert parse_secret(text) is None
    assert parse_public_id(text) is None


@given(kinds, environments, st.text(alphabet=TEXT, min_size=43, max_size=43), st.text(alphabet=TEXT, min_size=6))
def test_a_guess_of_the_right_form_fails_at_the_checksum(kind: str, environment: str, random: str, check: str) -> None:
    guess = f"gatesk_{KIND_CODES[kind]}_{ENVIRONMENT_CODES[environment]}_{random}_{check[:6]}"
    right = guess[:-6] + key_format._checksum(guess[:-7])
    assert (parse_secret(guess) is None) == (guess != right)


@given(kinds, environments, st.sampled_from(['key = "%s"', "Bearer %s\n", "https://x.example/?k=%s&b=1", "%s", "é%sé"]))
def test_a_scanner_finds_a_secret_in_text(kind: str, environment: str, around: str) -> None:
    secret = new_secret(kind, environment)
    assert re.findall(SECRET_PATTERN, around % secret) == [secret]
    assert re.findall(SECRET_PATTERN, around % new_public_id(kind, environment)) == []


@given(kinds, environments)
def test_other_kinds_and_environments_have_other_digests(kind: str, environment: str) -> None:
    secret = new_secret(kind, environment)
    assert len(key_format.digest(secret, b"a" * 32)) == 32
    assert key_format.digest(secret, b"a" * 32) != key_format.digest(secret, b"b" * 32)
    assert secret.split("_")[-2].endswith(key_format.last_four(secret))


def test_no_two_keys_are_the_same() -> None:
    made = {new_secret("project", "production") for _ in range(1_000)}
    assert len(made) == 1_000
    first = {secret.split("_")[3][10] for secret in made}
    assert len(first) > 50, "every digit is random"


def test_the_guide_says_how_keys_look_and_which_presets_there_are() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "keys.md").read_text()
    assert f"    {SECRET_PATTERN}\n" in guide
    assert ", ".join(f"`{name}`" for name in PRESETS) in guide.replace("\n", " ")
    for preset in PRESETS.values():
        levels = {PERMISSIONS[scope].level for scope in preset.scopes}
        assert preset.for_projects is (levels == {Level.PROJECT}), preset.name
