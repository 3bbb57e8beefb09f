"""A code of an authenticator app counts once, whoever saw it (RFC 6238 section 5.2)."""

import time

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from django.db import transaction

LAST_STEP = "last_step"
"""In `Authenticator.data`: the time step of the newest code that was taken."""


@transaction.atomic
def spend(app: Authenticator, code: str) -> bool:
    """Take a code that was found right, and every older one; return False when it was taken already."""
    stored = Authenticator.objects.select_for_update().get(pk=app.pk)
    secret = decrypt(stored.data["secret"])
    taken = stored.data.get(LAST_STEP, 0)
    for step in yield_hotp_counters_from_time():
        if step > taken and compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))):
            stored.data[LAST_STEP] = step
            stored.save(update_fields=["data"])
            return True
    return False


def spend_until_now(app: Authenticator) -> None:
    """Take every code up to the present step: the one that proved the set-up opens nothing more. Call it unsaved."""
    app.data[LAST_STEP] = int(time.time()) // app_settings.TOTP_PERIOD
