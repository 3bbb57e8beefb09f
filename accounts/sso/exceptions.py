"""What keeps somebody from being signed in."""

from http import HTTPStatus


class SignInRefused(Exception):  # noqa: N818 - reads as the statement it is
    """The identity provider's answer does not hold, or whoever it names may not come in.

    Args:
        reason: what really happened, for those who manage the connection.
        advice: what the person at the browser is told; it tells nothing of the organization.
        status: of the answer, 4xx.
    """

    def __init__(self, reason: str, advice: str = "", status: int = HTTPStatus.FORBIDDEN) -> None:
        super().__init__(reason)
        self.reason = reason.replace("\x00", "")  # PostgreSQL stores none
        self.advice = (
            advice
            or "Your identity provider's answer was not accepted. Try again; if it stays so, tell "
            "whoever looks after single sign-on in your organization: they see the reason."
        )
        self.status = status
