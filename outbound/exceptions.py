"""Why an address could not be fetched; none of the sentences tells what a name resolved to."""


class OutboundError(Exception):
    """An address was not fetched.

    Args:
        detail: for a person: what is wrong and what to do, in whole sentences.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Refused(OutboundError):  # noqa: N818 - reads as the statement it is
    """The URL, or where it leads, is not allowed."""


class Unreachable(OutboundError):  # noqa: N818 - the same
    """The name, the connection or the certificate does not hold, or the answer took too long."""


class Unusable(OutboundError):  # noqa: N818 - the same
    """There was an answer, and it is none that could be used: too large, malformed, one redirect too many."""
