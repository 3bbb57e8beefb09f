"""What ``make run`` prints when the portal answers."""

from collections.abc import Sequence
from typing import Any


def welcome(settings: Any, address: str, gateway: str) -> str:
    """Return the box with the addresses, the demo logins and where mails go.

    Args:
        settings: Django's settings.
        address: where the portal answers.
        gateway: where the gateway answers.
    """
    lines = [f"Gatehouse is ready: {address}", f"Keys are verified at {gateway}/api/v1/introspect", ""]
    logins = demo_logins() if settings.DEMO and settings.EMBEDDED_POSTGRES else []
    if logins:
        lines += ["Demo logins", *_columns(logins), ""]
    if settings.EMAIL_FILE_PATH:
        lines.append(f"Mails are written to {settings.EMAIL_FILE_PATH}; their links appear in this log.")
    lines.append("Ctrl-C stops everything.")
    width = max(len(line) for line in lines)
    edge = f"+{'-' * (width + 2)}+"
    return "\n".join(["", edge, *(f"| {line.ljust(width)} |" for line in lines), edge, ""])


def demo_logins() -> Sequence[Sequence[str]]:
    """Return the demo logins, each as e-mail, password and what the person is."""
    from portal.demo import logins  # noqa: PLC0415 - not needed without DEMO

    rows: Sequence[Sequence[str]] = logins()
    return rows


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
