"""Errors as RFC 6749 section 5.2 has them: a word for programs, and a sentence that says what to do."""

from collections.abc import Mapping
from http import HTTPStatus

from django.http import JsonResponse

from api.problems import Problem, problem_of
from gateway.services.tokens import TokenDenied
from gateway.signing import NoSigningKey
from isolation.exceptions import DomainError, MissingPermission

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Gatehouse", charset="UTF-8"'}


class OAuthError(Exception):
    """A request that gets no token.

    Args:
        error: the word.
        description: the sentence.
        status: the HTTP status.
        headers: further headers.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> JsonResponse:
        """Return what is sent."""
        body = {"error": self.error, "error_description": _allowed(self.description)}
        return JsonResponse(body, status=self.status, headers={**NO_STORE, **self.headers})


def unknown_client(description: str) -> OAuthError:
    """Return the refusal of a caller who is not known."""
    return OAuthError("invalid_client", description, status=HTTPStatus.UNAUTHORIZED, headers=_CHALLENGE)


def no_organization() -> OAuthError:
    """Return the one answer for somebody else's organization and for one that does not exist."""
    return OAuthError("invalid_target", "There is no such organization for this credential. Check its identifier.")


def oauth_error_of(error: Exception) -> OAuthError | None:
    """Return what an exception means to the client; None when the fault is ours."""
    match error:
        case OAuthError():
            return error
        case TokenDenied():
            return OAuthError(error.code, error.message)
        case NoSigningKey():
            return _later("There is no key that signs tokens now. The operators of this installation have to give one.")
        case MissingPermission():
            return OAuthError(
                "invalid_scope",
                f"This credential does not hold {error.permission} here. Use one whose scopes include it, and ask who "
                "manages the organization for a role that has it.",
            )
    problem = problem_of(error)
    if problem is None:
        return None
    return _of_problem(problem, error)


def _of_problem(problem: Problem, error: Exception) -> OAuthError:
    """Return a refusal of the API, or of a rule, in OAuth's words."""
    if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
        return OAuthError(
            "temporarily_unavailable", problem.detail, status=problem.status, headers=_retry(problem.headers)
        )
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _later(problem.detail, headers=_retry(problem.headers))
    if problem.status == HTTPStatus.NOT_FOUND:
        return no_organization()
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return unknown_client(problem.detail)
    if isinstance(error, DomainError) or problem.status in {HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT}:
        return OAuthError("unauthorized_client", problem.detail)
    return OAuthError("invalid_request", problem.detail)


def _later(description: str, *, headers: Mapping[str, str] | None = None) -> OAuthError:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    return OAuthError(
        "temporarily_unavailable", description, status=status, headers={"Retry-After": "5", **(headers or {})}
    )


def _retry(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name == "Retry-After" or name.startswith("RateLimit")}


def _allowed(text: str) -> str:
    """Return a description in the characters that RFC 6749 allows for it: ASCII without quotes and backslashes."""
    plain = text.translate({ord("“"): "'", ord("”"): "'", ord('"'): "'", ord("\\"): "/", ord("…"): "..."})
    return plain.encode("ascii", "replace").decode()
