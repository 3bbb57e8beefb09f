"""Finds personal data and secrets in free text: each detector knows one shape, with its check digits where it has some.

Plain Python without Django: the gateway's processes use it too.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

Check = Callable[[str], bool]


class Finder(Protocol):
    """Finds something in texts.

    Attributes:
        name: in settings, and in what stands in the place of a find: ``[email]``.
        label: for people.
        is_whole: whether a find that overlaps another finder's is none; otherwise its rest is one.
    """

    @property
    def name(self) -> str:
        """Return the name."""

    @property
    def label(self) -> str:
        """Return the label."""

    @property
    def is_whole(self) -> bool:
        """Return whether finds are not cut."""

    def missing(self) -> str:
        """Return what has to be done before it can be used; "" when nothing."""

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each find."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One shape.

    Attributes:
        name: in settings, and in what stands in the place of a find: ``[email]``.
        label: for people.
        pattern: where it may be.
        check: whether a candidate really is one.
    """

    name: str
    label: str
    pattern: re.Pattern[str]
    check: Check = lambda _text: True
    is_whole: bool = True

    def missing(self) -> str:
        """Return nothing: it is always here."""
        return ""

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each find."""
        for match in self.pattern.finditer(text):
            if self.check(match.group()):
                yield match.span()


@dataclass(frozen=True, slots=True)
class Find:
    """Something that was found.

    Attributes:
        start, end: where.
        detector: the detector's name.
    """

    start: int
    end: int
    detector: str


def luhn(text: str) -> bool:
    """Return whether the digits of a text have a valid check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(each) for each in text if each.isdecimal()]
    doubled = [2 * each - 9 * (each > 4) for each in digits[-2::-2]]  # noqa: PLR2004 - 2 × 5 has two digits
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def iban(text: str) -> bool:
    """Return whether a text is an IBAN by its check digits (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = re.sub(r"[ -]", "", text).upper()
    moved = plain[4:] + plain[:4]
    return len(plain) >= _SHORTEST_IBAN and int("".join(str(int(each, 36)) for each in moved)) % 97 == 1


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _phone(text: str) -> bool:
    return _FEWEST_PHONE_DIGITS <= sum(map(str.isdecimal, text)) <= _MOST_PHONE_DIGITS  # ITU-T E.164


def _card(text: str) -> bool:
    return _FEWEST_CARD_DIGITS <= sum(map(str.isdecimal, text)) <= _MOST_CARD_DIGITS and luhn(text)


def _social_security(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def _insee(text: str) -> bool:
    plain = re.sub(r"\s", "", text).upper().replace("2A", "19").replace("2B", "18")
    return plain.isdecimal() and 97 - int(plain[:13]) % 97 == int(plain[13:15])


def _steuer_id(text: str) -> bool:
    digits = [int(each) for each in text if each.isdecimal()]
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = 2 * total % 11
    return digits[0] != 0 and len(set(digits[:10])) < 10 and (11 - product) % 10 == digits[10]  # noqa: PLR2004 - ten digits, one twice


_SHORTEST_IBAN = 15
_FEWEST_PHONE_DIGITS, _MOST_PHONE_DIGITS = 7, 15
_FEWEST_CARD_DIGITS, _MOST_CARD_DIGITS = 13, 19

_SECRETS = (
    r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)",
    r"\bgatesk_[a-z]{3}_[a-z]{3,4}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}\b",  # Gatehouse
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # AWS
    r"\bgh[pousr]_[0-9A-Za-z]{36,255}\b",  # GitHub
    r"\bgithub_pat_[0-9A-Za-z_]{60,255}\b",
    r"\bglpat-[0-9A-Za-z_-]{20,}\b",  # GitLab
    r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}\b",  # Slack
    r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",  # Google
    r"\bsk-(?:ant-|proj-|svcacct-|lf-)?[0-9A-Za-z_-]{20,}",  # OpenAI, Anthropic and others
    r"\b[sr]k_(?:live|test)_[0-9A-Za-z]{16,}\b",  # Stripe
    r"\bwhsec_[0-9A-Za-z+/=]{24,}",
    r"\bhf_[0-9A-Za-z]{30,}\b",  # Hugging Face
    r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}",  # JWT (RFC 7519)
)

DETECTORS: dict[str, Detector] = {
    each.name: each
    for each in (
        Detector(
            "secret",
            "Secrets and tokens of known shapes",
            re.compile("|".join(_SECRETS)),
        ),
        Detector("bearer", "Bearer tokens", re.compile(r"(?i)\bbearer\s+[0-9a-z._~+/-]{20,}=*")),
        Detector(
            "email",
            "E-mail addresses",
            re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}\b"),
        ),
        Detector(
            "iban", "IBANs", re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[0-9A-Z]{4}){2,7}(?:[ -]?[0-9A-Z]{1,4})?\b"), iban
        ),
        Detector("card", "Payment card numbers", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])"), _card),
        Detector(
            "ssn",
            "US social security numbers",
            re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
            _social_security,
        ),
        Detector(
            "nino",
            "UK National Insurance numbers",
            re.compile(r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"),
        ),
        Detector(
            "insee",
            "French social security numbers",
            re.compile(r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b"),
            _insee,
        ),
        Detector(
            "steuer_id", "German tax ids", re.compile(r"(?<![\w-])\d{2} ?\d{3} ?\d{3} ?\d{3}(?![\w-])"), _steuer_id
        ),
        Detector(
            "ip",
            "IP addresses",
            re.compile(
                r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w:]|\.\d)"
            ),
            _address,
        ),
        Detector(
            "phone",
            "Phone numbers",
            re.compile(
                r"(?<![\w.+-])(?<!\d )(?:\+\d{1,3}|\(?0[1-9]\d{0,4}\)?)(?:[ ./()-]{1,2}\d{1,8}){2,6}(?![\w-])"
                r"|(?<![\w+])\+\d{7,15}\b"
            ),
            _phone,
        ),
    )
}
"""In the order in which they are asked: of finds that overlap the first one counts."""


def find(text: str, names: Iterable[str], known: Mapping[str, Finder] = DETECTORS) -> list[Find]:
    """Return what detectors find in a text, in order, none overlapping another.

    Args:
        text: any text.
        names: of detectors; unknown ones raise.
        known: the detectors, in the order in which they are asked.

    Raises:
        KeyError: there is no such detector.
    """
    wanted = set(names)
    for name in wanted:
        known[name]
    taken: list[Find] = []
    for name, detector in known.items():
        if name in wanted:
            for start, end in detector.find(text):
                free = _free(start, end, taken)
                if free == [(start, end)] or not detector.is_whole:
                    taken += [Find(*piece, name) for piece in free]
    return sorted(taken, key=lambda each: each.start)


def _free(start: int, end: int, taken: Iterable[Find]) -> list[tuple[int, int]]:
    """Return the parts of a stretch that nothing has taken."""
    free = [(start, end)]
    for each in taken:
        cut = [((first, min(last, each.start)), (max(first, each.end), last)) for first, last in free]
        free = [piece for pieces in cut for piece in pieces if piece[0] < piece[1]]
    return free


def replaced(text: str, finds: Iterable[Find], replacement: Callable[[str, str], str]) -> str:
    """Return a text with finds replaced.

    Args:
        text: the text.
        finds: what `find` returned for it.
        replacement: from the detector's name and the found text to what stands in its place.
    """
    pieces, at = [], 0
    for each in finds:
        pieces += [text[at : each.start], replacement(each.detector, text[each.start : each.end])]
        at = each.end
    return "".join([*pieces, text[at:]])
