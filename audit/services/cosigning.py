"""Changes to cosigning: who cosigns the logs of this installation, and whose logs it cosigns. For operators."""

from base64 import b64encode
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction

from audit import signals
from audit.cosigning.models import NAME_LENGTH, Cosigner, CosigningKey, WitnessedLog
from audit.cosigning.signatures import COSIGNATURE, VerifierKey
from audit.notes import ED25519, MalformedNote
from audit.redaction import snapshot
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION
from outbound.addresses import check_url
from outbound.exceptions import Refused

MOST = 20
"""Cosigners, each of which is asked about every log once a minute."""
MOST_WITNESSED = 200


@transaction.atomic
def add_cosigner(*, url: str, key: str, actor: Actor) -> Cosigner:
    """Let another installation cosign the checkpoints of this one from now on.

    Args:
        url: what it calls its submission prefix; ``add-checkpoint`` lies below it.
        key: its verifier key for cosignatures.
        actor: an operator or the system; the installation's scope is open.

    Raises:
        DomainError: somebody else asks, or a value is refused.
    """
    operators_only(actor)
    try:
        address = check_url(url.strip().rstrip("/"))
    except Refused as error:
        raise DomainError(error.detail, field="url", code="invalid") from error
    found = _key(key)
    if found.kind != COSIGNATURE:
        text = "This key signs a log. Take the witness's key for cosignatures: the other page names it so."
        raise DomainError(text, field="key", code="invalid")
    public = b64encode(found.public).decode()
    if CosigningKey.objects.filter(public_key=public).exists():
        text = "This is the key of this installation itself: who can rewrite its logs can cosign them too."
        raise DomainError(text, field="key", code="invalid")
    if Cosigner.objects.filter(name=found.name).exists():
        raise DomainError(f"{found.name} is asked already. Remove it first.", field="key", code="taken")
    if Cosigner.objects.count() >= MOST:
        raise DomainError(f"There are {MOST} witnesses. Remove one that you do not need.", code="too_many")
    cosigner = Cosigner(
        organization_id=INSTALLATION,
        name=found.name,
        public_key=public,
        url=address,
        added_by=actor.label[:320],
    )
    cosigner.save(force_insert=True)
    signals.cosigner_added.announce(cosigner, actor=actor, after=snapshot(cosigner))
    return cosigner


@transaction.atomic
def remove_cosigner(*, cosigner: Cosigner, actor: Actor) -> None:
    """Ask an installation no more; its cosignatures stay.

    Raises:
        DomainError: somebody else than an operator asks.
    """
    operators_only(actor)
    stored = Cosigner.objects.select_for_update().get(pk=cosigner.pk)
    signals.cosigner_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def witness_log(*, key: str, actor: Actor) -> WitnessedLog:
    """Cosign the checkpoints of another log from now on; for one that is known already, take its new key.

    Args:
        key: the verifier key of the other installation (then every log of it), or of one log.
        actor: an operator or the system; the installation's scope is open.

    Raises:
        DomainError: somebody else asks, or the key is refused.
    """
    operators_only(actor)
    found = _key(key)
    if found.kind != ED25519:
        raise DomainError("This key makes cosignatures. Take the key of the log.", field="key", code="invalid")
    public = b64encode(found.public).decode()
    stored: WitnessedLog | None = WitnessedLog.objects.select_for_update().filter(name=found.name).first()
    ensured_cosigning_key(actor)
    if stored is not None:
        before = snapshot(stored)
        if stored.public_key != public:
            stored.public_key = public
            stored.save(update_fields=["public_key"])
            signals.witnessed_log_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
        return stored
    if WitnessedLog.objects.count() >= MOST_WITNESSED:
        raise DomainError(f"{MOST_WITNESSED} are witnessed. Remove one first.", code="too_many")
    log = WitnessedLog(organization_id=INSTALLATION, name=found.name, public_key=public, added_by=actor.label[:320])
    log.save(force_insert=True)
    signals.witnessed_log_added.announce(log, actor=actor, after=snapshot(log))
    return log


@transaction.atomic
def forget_log(*, log: WitnessedLog, actor: Actor) -> None:
    """Cosign another log no more, and forget what was seen of it.

    Raises:
        DomainError: somebody else than an operator asks.
    """
    operators_only(actor)
    stored = WitnessedLog.objects.select_for_update().get(pk=log.pk)
    signals.witnessed_log_removed.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


@transaction.atomic
def ensured_cosigning_key(actor: Actor) -> CosigningKey:
    """Return the key of this installation's cosignatures, which is made when it is first needed.

    Raises:
        DomainError: it is not there, and somebody else than an operator asks.
    """
    found: CosigningKey | None = CosigningKey.objects.filter(organization_id=INSTALLATION).first()
    if found is not None:
        return found
    operators_only(actor)
    private = Ed25519PrivateKey.generate()
    key = CosigningKey(
        organization_id=INSTALLATION,
        name=f"{urlsplit(settings.PUBLIC_URL).netloc}/audit/witness",
        public_key=b64encode(private.public_key().public_bytes_raw()).decode(),
        seed=b64encode(private.private_bytes_raw()).decode(),
    )
    key.save(force_insert=True)
    signals.cosigning_key_created.announce(key, actor=actor, after=snapshot(key))
    return key


def operators_only(actor: Actor) -> None:
    """Refuse everybody who does not run the installation.

    Raises:
        DomainError: with code ``operators_only``.
        FreshSignInNeeded: the operator signed in long ago.
    """
    if not actor.runs_installation:
        raise DomainError("Only an operator of this installation can do this.", code="operators_only")
    actor.require_fresh_sign_in()


def _key(text: str) -> VerifierKey:
    try:
        found = VerifierKey.parse(text)
    except MalformedNote as error:
        raise DomainError(str(error), field="key", code="invalid") from error
    if len(found.name) > NAME_LENGTH:
        raise DomainError(f"Its name is longer than {NAME_LENGTH} characters.", field="key", code="invalid")
    return found
