"""The browsers that somebody signs in with: one that is new is told to them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import signals
from accounts.mails import send_new_sign_in
from accounts.models import Device, User
from accounts.models.session import LONGEST_DEVICE_NAME
from accounts.sessions.words import browser_of
from isolation.actor import Actor
from isolation.context import current_origin

KEPT = timedelta(days=180)
"""How long a browser is remembered that nobody signs in with."""
MOST = 50
"""Browsers of one person; beyond that the one that was used longest ago is forgotten."""
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Recognized:
    """A browser that somebody signs in with.

    Attributes:
        device: what is remembered of it, for this person.
        cookie: what its cookie must hold.
    """

    device: Device
    cookie: str


@transaction.atomic
def recognize_device(*, user: User, cookie: str, first_sign_in: bool, actor: Actor) -> Recognized:
    """Return the browser that somebody signs in with; remember one that is new, and tell them.

    Args:
        user: who signs in.
        cookie: what the browser's cookie holds; people who share a browser share it, and nothing else.
        first_sign_in: they have never signed in before, so that a new browser is no news to them.
        actor: the person.
    """
    if not _COOKIE.fullmatch(cookie):
        cookie = secrets.token_urlsafe(32)
    origin, now = current_origin(), timezone.now()
    values = {"name": browser_of(origin.user_agent)[:LONGEST_DEVICE_NAME], "ip": origin.ip, "last_seen_at": now}
    device, is_new = Device.objects.get_or_create(
        cookie_digest=_digest(user, cookie), defaults={**values, "user": user, "first_seen_at": now}
    )
    if not is_new:
        Device.objects.filter(pk=device.pk).update(**values)
        return Recognized(device, cookie)
    beyond = Device.objects.filter(user=user).order_by("-last_seen_at", "-pk").values_list("pk", flat=True)[MOST:]
    Device.objects.filter(pk__in=list(beyond)).delete()
    signals.user_device_added.announce(user, actor=actor, after={"device": device.name})
    if not first_sign_in:
        send_new_sign_in(user, browser=device.name, ip=origin.ip, at=now)
    return Recognized(device, cookie)


def forget_old_devices() -> int:
    """Forget the browsers that nobody has signed in with for half a year; return how many."""
    gone, _ = Device.objects.filter(last_seen_at__lt=timezone.now() - KEPT).delete()
    return gone


def _digest(user: User, cookie: str) -> bytes:
    return hashlib.sha256(user.pk.bytes + cookie.encode()).digest()
