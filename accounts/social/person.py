"""Whom a social provider speaks of, checked: data without models."""

from dataclasses import dataclass

from accounts.social_providers import SocialProvider


@dataclass(frozen=True, slots=True)
class SocialPerson:
    """Somebody who came back from a social provider.

    Attributes:
        provider: which.
        subject: who they are there; the only thing that they are recognized by.
        email: an address that the provider says they have confirmed, in lower case; "" without one.
        is_proven: whether the provider runs that very mailbox, so that its word is as good as a mail of ours.
        name: for people to read, "" without one.
        account: what they recognize their account by.
    """

    provider: SocialProvider
    subject: str
    email: str
    is_proven: bool
    name: str
    account: str
