"""Testing a provider credential: one request to the provider that costs nothing, and what came of it in words."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from gateway import signals
from gateway.credential_sources import CannotObtain, Obtained, obtained
from gateway.models import CredentialKind, Provider, ProviderCredential
from gateway.upstreams import ANTHROPIC_VERSION, UnknownUpstream, Upstream
from isolation.actor import Actor
from outbound.exceptions import OutboundError, Refused
from outbound.session import Session
from tenants.permissions import P
from tenants.services.rules import own_row
from vault.exceptions import VaultError

SECONDS = 8.0
ACCEPTED = "The provider accepted it."
_LARGEST_ANSWER = 4 * 1_048_576
_AZURE_VERSION = "2024-10-21"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test found.

    Attributes:
        text: in words.
        accepted: whether the provider took the credential.
    """

    text: str
    accepted: bool = False


@transaction.atomic
def test_provider_credential(*, credential: ProviderCredential, actor: Actor) -> Outcome:
    """Ask the provider for its list of models with this credential, and remember what it said.

    What the credential comes from (a token endpoint, Vault, AWS) is asked as well, as for a real request.

    Raises:
        MissingPermission: without ``provider_credentials:manage`` on it.
    """
    actor.require(P.PROVIDER_CREDENTIALS_MANAGE, credential)
    stored: ProviderCredential = own_row(ProviderCredential, credential.pk, lock=False, related=("project",))
    outcome = _tried(stored)
    ProviderCredential.objects.filter(pk=stored.pk).update(tested_at=timezone.now(), test_outcome=outcome.text[:300])
    after = {"accepted": outcome.accepted, "outcome": outcome.text}
    signals.provider_credential_tested.announce(stored, actor=actor, before={}, after=after, project=stored.project)
    return outcome


test_provider_credential.__test__ = False  # type: ignore[attr-defined] # pytest takes it for one of its own


def _tried(credential: ProviderCredential) -> Outcome:
    try:
        upstream = credential.upstream()
    except UnknownUpstream:
        return Outcome("The operator does not allow its address any more. Ask them, or change it.")
    try:
        shown = obtained(credential.provider, credential.kind, credential.options, credential.secret.reveal())
    except CannotObtain as error:
        return Outcome(str(error))
    except VaultError:
        return Outcome("Its secret cannot be opened. Ask the operator of this installation.")
    try:
        status, host = _asked(credential, upstream, shown)
    except Refused as error:
        return Outcome(f"The portal may not reach it to test it; the proxy may all the same. {error.detail}")
    except OutboundError as error:
        return Outcome(error.detail)
    return _judged(credential, status, host)


def _asked(credential: ProviderCredential, upstream: Upstream, shown: Obtained) -> tuple[int, str]:
    url = _models_of(credential, upstream)
    headers = {"accept": "application/json", shown.header: shown.value}
    if credential.provider == Provider.ANTHROPIC:
        headers["anthropic-version"] = ANTHROPIC_VERSION
    with Session(url, timeout=SECONDS) as session:
        reply = session.request("GET", headers=headers, max_bytes=_LARGEST_ANSWER)
    return reply.status, urlsplit(url).hostname or url


def _models_of(credential: ProviderCredential, upstream: Upstream) -> str:
    """Return where the provider lists models: the cheapest thing that it tells nobody without a credential."""
    host = f"[{upstream.host}]" if ":" in upstream.host else upstream.host
    scheme, own_port = ("https", 443) if upstream.is_tls else ("http", 80)
    root = f"{scheme}://{host}{'' if upstream.port == own_port else f':{upstream.port}'}{upstream.prefix}"
    match credential.provider:
        case Provider.AZURE_OPENAI:
            return f"{root}/openai/models?api-version={_AZURE_VERSION}"
        case Provider.BEDROCK:
            # Models are listed by the control plane beside the runtime, under the same key.
            return f"{root.replace('://bedrock-runtime.', '://bedrock.', 1)}/foundation-models"
        case Provider.VERTEX:
            return f"{root}/v1beta1/publishers/google/models?pageSize=1"
        case _:
            return f"{root}/v1/models"


def _judged(credential: ProviderCredential, status: int, host: str) -> Outcome:
    told: dict[int, str] = {
        401: "It refused the credential (status 401). Check the secret.",
        403: "It knows the credential and does not allow it to list models (status 403). Check its rights there.",
        404: "It has no list of models (status 404), so that nothing is known about the credential. Check the address.",
        429: "It answered that there were too many requests (status 429). Try again later.",
    }
    if 200 <= status < 300:  # noqa: PLR2004 - success
        return Outcome(ACCEPTED, accepted=True)
    text = told.get(status, f"It answered with status {status}. Try again; if it stays so, ask the provider.")
    if status == 401 and credential.kind != CredentialKind.API_KEY:  # noqa: PLR2004 - a status
        text = "It refused what was obtained (status 401). Check what is stored there, or the client's rights."
    return Outcome(f"{host} was asked. {text}")
