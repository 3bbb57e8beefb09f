"""How a delivery ends when it is not acknowledged. Every text is read by people, in the console and in mails."""


class DeliveryError(Exception):
    """Nothing of the batch counts as delivered.

    Args:
        reason: one or two sentences: what the receiver said, and what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Later(DeliveryError):  # noqa: N818 - reads as the statement it is
    """The receiver cannot take it now.

    Args:
        reason: as above.
        after: seconds that the receiver asked to wait, None when it said nothing.
    """

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Blocked(DeliveryError):  # noqa: N818 - the same
    """The receiver takes nothing until somebody changes something: a wrong token, a missing index."""


class Gone(Blocked):
    """The receiver says that nothing should be sent to it any more."""


class Refused(DeliveryError):  # noqa: N818 - the same
    """The receiver does not accept what is in the batch; with fewer events it might."""
