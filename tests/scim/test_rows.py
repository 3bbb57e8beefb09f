"""Every row of the conformance table has its test."""

import re
from pathlib import Path

ROWS = [
    *(f"c{number}" for number in range(1, 14)),
    *(f"r{number}" for number in range(1, 4)),
    *(f"f{number}" for number in range(1, 13)),
    *(f"p{number}" for number in range(1, 7)),
    *("a1", "a2"),
    *(f"u{number}" for number in range(1, 19)),
    *(f"d{number}" for number in range(1, 4)),
    *(f"g{number}" for number in range(1, 19)),
    *(f"s{number}" for number in range(1, 6)),
    *("l1", "l2", "t1"),
    *(f"conflict_{number}" for number in range(1, 10)),
]


def test_every_row_is_tested() -> None:
    text = "".join(path.read_text() for path in (Path(__file__).parent / "conformance").glob("test_*.py"))
    tested = set(re.findall(r"^def test_([a-z]\d+|conflict_\d)_", text, re.MULTILINE))
    assert sorted(set(ROWS) - tested) == []
    assert sorted(tested - set(ROWS)) == []
