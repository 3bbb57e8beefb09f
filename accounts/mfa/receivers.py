"""Seals what is stored of second factors, and tells what happened to them.

allauth tells of a new factor after the commit at times; an audit event has to stand in the transaction itself, so that
it is written when the row is.
"""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa import signals as mfa_signals
from allauth.mfa.models import Authenticator
from django.db.models import signals as model_signals
from django.dispatch import receiver
from django.http import HttpRequest

from accounts import signals
from accounts.audit_events import SIGN_IN_FAILED, record_presence
from accounts.models import User
from accounts.second_factor import FACTORS
from accounts.services.second_factors import described
from accounts.services.users import person
from audit.models import Outcome
from isolation.actor import ANONYMOUS
from isolation.context import current_actor

from .codes import spend_until_now
from .sealing import bind, seal

_WRONG = {"totp": "A wrong code of the second step", "recovery_codes": "A wrong code of the second step"}


@receiver(model_signals.post_init, sender=Authenticator, dispatch_uid="accounts:second_factor_read")
def know_place(sender: object, *, instance: Authenticator, **kwargs: Any) -> None:
    """Tell the secrets of a row that was read whose they are."""
    bind(instance)


@receiver(model_signals.pre_save, sender=Authenticator, dispatch_uid="accounts:second_factor_saving")
def seal_secrets(
    sender: object, *, instance: Authenticator, raw: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Seal the secrets that are about to be stored."""
    if raw or (update_fields is not None and "data" not in update_fields):
        return
    if instance._state.adding and instance.type == Authenticator.Type.TOTP:
        spend_until_now(instance)
    seal(instance)


@receiver(model_signals.post_save, sender=Authenticator, dispatch_uid="accounts:second_factor_saved")
def record_stored(
    sender: object,
    *,
    instance: Authenticator,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """Write that a factor was added, that recovery codes were made, or that their person has seen them."""
    is_codes = instance.type == Authenticator.Type.RECOVERY_CODES
    if raw:
        return
    if created:
        signal = signals.recovery_codes_made if is_codes else signals.second_factor_added
        after = None if is_codes else described(instance)
        signal.announce(instance.user, actor=current_actor(), after=after)
    elif is_codes and update_fields == frozenset({"data"}) and current_actor().id == instance.user_id:
        # allauth's `mark_as_viewed`, its one write of this field alone; a rotation's is the system's.
        signals.recovery_codes_shown.announce(instance.user, actor=current_actor())


@receiver(mfa_signals.authenticator_added, dispatch_uid="accounts:second_factor_proved")
def count_set_up_as_proof(
    sender: object, *, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Let the session count as proved by the factor that was set up in it."""
    if authenticator.type in FACTORS:
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)


@receiver(mfa_signals.authenticator_removed, dispatch_uid="accounts:second_factor_removed")
def record_removed(sender: object, *, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Write that somebody removed a factor, and with the last one the recovery codes."""
    signals.second_factor_removed.announce(user, actor=person(user), before=described(authenticator))


@receiver(mfa_signals.authenticator_used, dispatch_uid="accounts:second_factor_used")
def tell_of_recovery_code(
    sender: object, *, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any
) -> None:
    """Write that a recovery code was used, and mail its person: it may have been somebody else."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        return
    now = Authenticator.objects.get(pk=authenticator.pk)  # the code was used up in another copy of the row
    left = len(now.wrap().get_unused_codes())
    signals.recovery_code_used.announce(user, actor=person(user), after={"left": left})
    get_adapter(request).send_notification_mail("mfa/email/recovery_code_used", user, {"left": left})


@receiver(mfa_signals.authentication_failed, dispatch_uid="accounts:second_factor_refused")
def record_refused(
    sender: object, *, request: HttpRequest, user: User | None, authenticator: Authenticator | None, **kwargs: Any
) -> None:
    """Write that a code or a passkey was not accepted."""
    signed_in = request.user
    record_presence(
        SIGN_IN_FAILED,
        actor=person(signed_in) if isinstance(signed_in, User) else ANONYMOUS,
        user=user,
        outcome=Outcome.FAILED,
        reason="A passkey that was not accepted" if authenticator is None else _WRONG[authenticator.type],
    )
