"""What keeps somebody from being signed in."""


class SignInRefused(Exception):  # noqa: N818 - reads as the statement it is
    """The identity provider's answer does not hold, or whoever it names may not come in.

    Args:
        reason: what really happened, for those who manage the connection.
        advice: what the person at the browser is told; it tells nothing of the organization.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason.replace("\x00", "")
        self.advice = (
            advice
            or "Your identity provider's answer was not accepted. Try again; if it stays so, tell "
            "whoever looks after single sign-on in your organization: they see the reason."
        )
