"""With which credentials an LLM request may leave: provider, model, and the order in which they are tried."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.model_patterns import model_fits

from .credentials import Credential
from .denials import denied
from .routes import MODEL_NAME, PROVIDERS, Route, route_of


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request is after.

    Attributes:
        method, path: the client's own.
        provider, model: what token or header state, "" for nothing.
        is_bound: whether it was the token that stated the model.
    """

    method: str
    path: str
    provider: str = ""
    model: str = ""
    is_bound: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A credential that fits.

    Attributes:
        credential: it.
        model: what the path says, "" while only the body does.
        allowed_models: what the body's model has to fit; empty: everything, or the path has said it.
        mapping: see `gateway.hotpath.proxy_request.ProxyRequest`.
    """

    credential: Credential
    model: str
    allowed_models: tuple[str, ...]
    mapping: str


def choices(wish: Wish, credentials: Iterable[Credential], *, transformer: bool) -> list[Choice]:
    """Return the credentials that fit, the first one first.

    Args:
        wish: what the request is after.
        credentials: of the project and the organization, in their order.
        transformer: whether one runs behind: only it sees bodies, checks the model in them, and maps them.

    Raises:
        Refused: nothing fits.
    """
    route = route_of(wish.method, wish.path)
    if route is None or (wish.provider and wish.provider not in PROVIDERS):
        raise denied("provider_unknown")
    if wish.model and not MODEL_NAME.fullmatch(wish.model):
        raise denied("model_not_allowed", "What is stated as the model is no model's name.")
    native, mapped = _of_provider(wish.provider, route, credentials, transformer=transformer)
    if not native and not mapped:
        raise denied("credential_missing")
    found = [choice for each in (*native, *mapped) if (choice := _fitting(wish, route, each, transformer=transformer))]
    if not found:
        raise denied("model_not_allowed", "" if transformer or route.model else _NOBODY_READS)
    return found


_NOBODY_READS = (
    "The model stands in the body, which nobody reads here: no transformer runs. Let the operator run one, or let an "
    "administrator allow every model for the credential."
)


def _of_provider(
    stated: str, route: Route, credentials: Iterable[Credential], *, transformer: bool
) -> tuple[list[Credential], list[Credential]]:
    """Return those whose API has the path, and those that a mapping of bodies reaches.

    Raises:
        Refused: the stated provider's API has no such path.
    """
    meant = (route.native | route.stated) & {stated} if stated else route.native
    reached = frozenset(route.mapped) & ({stated} if stated else PROVIDERS)
    if stated and not meant and not reached:
        raise denied("provider_unknown")
    native, mapped = [], []
    for credential in credentials:
        if credential.provider in meant:
            native.append(credential)
        elif credential.provider in reached and transformer:
            mapped.append(credential)
    return native, mapped


def _fitting(wish: Wish, route: Route, credential: Credential, *, transformer: bool) -> Choice | None:
    """Return how a request may use a credential, None when it may not."""
    mapping = route.mapped.get(credential.provider, "")
    if route.mapped and credential.options.get("mapping"):
        mapping = f"json:{credential.options['mapping']}"
    if mapping and not transformer:
        return None
    patterns = credential.allowed_models
    if route.model:
        # The path decides, whatever is stated beside it; a token's word limits it.
        fits = model_fits(patterns, route.model) and not (wish.is_bound and wish.model != route.model)
        return Choice(credential, route.model, (), mapping) if fits else None
    unread = not transformer and wish.method != "GET" and bool(patterns or wish.is_bound)
    if unread or (wish.model and not model_fits(patterns, wish.model)):
        return None
    # What is stated is held against the body, and the body alone is believed: nobody is counted as one model and served
    # by another, whatever form the body has.
    return Choice(credential, "", (wish.model,) if wish.model and transformer else patterns, mapping)
