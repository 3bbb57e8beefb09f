"""GET /Me (RFC 7644 section 3.11): a person's own SCIM User, for their personal API key."""

from http import HTTPStatus

from django.http import HttpRequest

from accounts import key_format
from accounts.key_format import KeyKind
from accounts.models import ProvisionedUser
from accounts.services.key_authentication import KeyRefused, authenticate_key, key_actor
from accounts.services.scim_authentication import TokenRefused, authenticate_token
from isolation.context import acting_as, current_origin
from isolation.scope import tenant_scope

from . import users
from .context import ScimContext
from .endpoints import Answer, Call
from .errors import ScimError, not_found
from .limits import count_address
from .projection import listed, projection
from .versions import tag_of

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Gatehouse SCIM"'}


def own_user(request: HttpRequest, call: Call, base_url: str, bearer: str) -> Answer:
    """Return the SCIM User of the person whose personal key asks.

    Raises:
        ScimError: 401 without a key that holds, 403 for a SCIM token or another kind of key, which are nobody, 404 for
            a person who is not provisioned, 405 for anything but GET.
    """
    ip = current_origin().ip
    count_address()
    parsed = key_format.parse_secret(bearer)
    try:
        if parsed is None or parsed.kind is KeyKind.SCIM:
            authenticate_token(bearer=bearer, ip=ip)
            raise ScimError(HTTPStatus.FORBIDDEN, "A SCIM token is a connection's and no person: it has no /Me.")
        record = authenticate_key(secret=bearer, ip=ip)
    except (KeyRefused, TokenRefused) as refused:
        raise _not_accepted() from refused
    if record.kind != KeyKind.PERSONAL or record.organization_id is None:
        raise ScimError(HTTPStatus.FORBIDDEN, "This key is no person's: it has no /Me.")
    if call.method != "GET":
        detail = "People are changed by the identity provider. /Me takes GET."
        raise ScimError(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": "GET"})
    with tenant_scope(record.organization_id):
        try:
            actor = key_actor(record, record.organization_id)
        except KeyRefused as refused:
            raise _not_accepted() from refused
        found = ProvisionedUser.objects.select_related("connection").filter(
            membership__user=record.user_id, membership__is_active=True
        )
        user = found.first()
        if user is None:
            raise not_found("provisioned user")
        with acting_as(actor):
            context = ScimContext(user.connection, actor, base_url)
            wanted = projection(
                listed(call.parameters.get("attributes")), listed(call.parameters.get("excludedAttributes"))
            )
            (resource,) = users.resources(context, [user], wanted)
            headers = {"Location": context.location(users.ENDPOINT, user.pk), "ETag": tag_of(user.version)}
            return Answer(HTTPStatus.OK, resource, headers)


def _not_accepted() -> ScimError:
    detail = "A personal API key of a provisioned member opens /Me. This one is not accepted."
    return ScimError(HTTPStatus.UNAUTHORIZED, detail, headers=_CHALLENGE)
