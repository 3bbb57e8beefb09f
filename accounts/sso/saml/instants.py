"""Moments as SAML writes them (saml-core-2.0-os section 1.3.3): in UTC, clocks differ a little."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from accounts.sso.exceptions import SignInRefused

LEEWAY = timedelta(seconds=60)
"""By how much clocks may differ."""


def now() -> datetime:
    """Return this moment."""
    return timezone.now()


def instant(text: str | None, what: str) -> datetime:
    """Return a moment.

    Args:
        text: an xs:dateTime; without a time zone it is in UTC.
        what: the attribute's name.

    Raises:
        SignInRefused: it is none.
    """
    try:
        found = datetime.fromisoformat((text or "").strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise SignInRefused(f"The message has no {what}, or one that is no time.") from None
    return found


def written(moment: datetime) -> str:
    """Return a moment as a message of ours has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_not_future(text: str | None, what: str) -> None:
    """Refuse a moment that lies in the future.

    Raises:
        SignInRefused: it does.
    """
    if instant(text, what) - LEEWAY > now():
        raise SignInRefused(f"The message is from the future ({what}). Compare the clocks of both servers.")


def check_window(not_before: str | None, not_on_or_after: str | None, what: str) -> None:
    """Refuse what does not count yet, or no more; either end may be missing.

    Raises:
        SignInRefused: this moment is outside.
    """
    if not_before is not None and instant(not_before, "NotBefore") - LEEWAY > now():
        raise SignInRefused(f"{what} does not count yet (NotBefore). Compare the clocks of both servers.")
    if not_on_or_after is not None and instant(not_on_or_after, "NotOnOrAfter") + LEEWAY <= now():
        raise SignInRefused(f"{what} has expired (NotOnOrAfter).")
