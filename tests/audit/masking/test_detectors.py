"""What detectors find in text, and what they leave alone."""

import time

import pytest

from audit.masking.detectors import DETECTORS, find, iban, luhn, replaced


def found(text: str, *names: str) -> list[tuple[str, str]]:
    """Return (detector, text) of each find."""
    return [(each.detector, text[each.start : each.end]) for each in find(text, names or DETECTORS)]


@pytest.mark.parametrize(
    ("detector", "text"),
    [
        ("email", "ada.lovelace+gatehouse@mail.acme.example"),
        ("email", "jörg@münchen.example"),
        ("ip", "203.0.113.7"),
        ("ip", "2001:db8::8a2e:370:7334"),
        ("phone", "+49 30 901820-0"),
        ("phone", "+14155552671"),
        ("phone", "(030) 901 820"),
        ("card", "4111 1111 1111 1111"),
        ("card", "5555-5555-5555-4444"),
        ("card", "378282246310005"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB82WEST12345698765432"),
        ("ssn", "078-05-1120"),
        ("nino", "AB123456C"),
        ("insee", "2 55 08 14 168 025 38"),
        ("steuer_id", "86095742719"),
        ("secret", "AKIAIOSFODNN7EXAMPLE"),
        ("secret", "ghp_" + "a1B2" * 9),
        ("secret", "xoxb-123456789012-abcdef"),
        ("secret", "sk-ant-" + "a1B2" * 6),
        ("secret", "sk-proj-abcdefghijklmnopqrstuvwxyz"),
        ("secret", "sk_live_abcdefghijklmnop1234"),
        ("secret", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijkl"),
        ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----"),
        ("secret", "gatesk_prj_prod_" + "A" * 43 + "_abcdef"),
        ("bearer", "Bearer abcdefghijklmnopqrstuvwxyz012345"),
    ],
)
def test_each_shape_is_found_inside_a_sentence(detector: str, text: str) -> None:
    assert (detector, text) in found(f"He wrote {text} into the form.", detector)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # wrong check digit
        "GB82 WEST 1234 5698 7654 33",
        "999.1.2.3",
        "000-12-3456",
        "12:30:45",
        "2026-01-05T09:00:00.123456Z",
        "0f3e0f5c-59f6-4a8b-9f57-1f6a0f0a3c11",
        "version 1.2.3",
        "86095742718",
        "2 55 08 14 168 025 39",
        "Grace Hopper changed the role of Chatbot",
        "1111 1111 1111 1111",
        "skill-set",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_check_digits() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert iban("GB82 WEST 1234 5698 7654 32")
    assert not iban("GB00")


def test_finds_never_overlap_and_come_in_order() -> None:
    text = "card 4111111111111111, mail a@b.example, from 203.0.113.7"
    assert [name for name, _text in found(text)] == ["card", "email", "ip"]
    assert (
        replaced(text, find(text, DETECTORS), lambda name, _text: f"[{name}]") == "card [card], mail [email], from [ip]"
    )


def test_an_unknown_detector_is_refused() -> None:
    with pytest.raises(KeyError):
        find("text", ["nothing"])


@pytest.mark.parametrize(
    "text",
    ["1 " * 20_000, "a@" * 20_000, "a." * 20_000, "::" * 20_000, "+1 " * 20_000, "-----BEGIN PRIVATE KEY-----" * 2_000],
)
def test_long_hostile_texts_take_no_long_time(text: str) -> None:
    began = time.process_time()
    find(text, DETECTORS)
    assert time.process_time() - began < 2.0
