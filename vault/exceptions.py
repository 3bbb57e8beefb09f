"""What goes wrong with keys; every message names the key and says what to do, none shows what a key protects."""

from uuid import UUID


class VaultError(Exception):
    """The vault cannot do what it was asked; nothing was changed."""


class MalformedKeyring(VaultError, ValueError):  # noqa: N818 - reads as the statement it is
    """A keyring variable cannot be read; `name` is the variable's part that is wrong (``KEYS``, ``PEPPERS``).

    Args:
        problem: ends the sentence "KEYRING_...: ".
    """


class MissingKey(VaultError, LookupError):  # noqa: N818 - the same
    """A numbered key is not in this process's keyring.

    Args:
        number: the key's number.
        variable: where it belongs, ``KEYRING_KEYS`` or ``KEYRING_PEPPERS``.
    """

    def __init__(self, number: int, variable: str) -> None:
        what = "pepper" if variable == "KEYRING_PEPPERS" else "key-encryption key"
        super().__init__(
            f"The {what} {number} is not in the keyring. Put it back into {variable}; nothing was changed."
        )
        self.number = number


class WrongKey(VaultError):  # noqa: N818 - the same
    """A numbered key is there, but it is not the one that wrapped this data key.

    Args:
        number: the key-encryption key's number.
        why: what the provider said, if it said something useful.
    """

    def __init__(self, number: int, why: str = "") -> None:
        said = f" ({why})" if why else ""
        super().__init__(
            f"The key-encryption key {number} does not open a data key that was wrapped under this number{said}. "
            f"Put the former key {number} back into KEYRING_KEYS; nothing was changed."
        )
        self.number = number


class KeyUnavailable(VaultError):  # noqa: N818 - the same
    """The provider of a key-encryption key did not answer, or refused.

    Args:
        number: the key-encryption key's number.
        why: what happened, without addresses' credentials.
    """

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"The key-encryption key {number} cannot be used now: {why}. Nothing was changed.")
        self.number = number


class CannotDecrypt(VaultError):  # noqa: N818 - the same
    """A ciphertext does not open: altered, copied from another place, or its data key is gone.

    The message does not say which of these: that would answer questions of whoever made the ciphertext.

    Args:
        data_key: the id that the ciphertext names, None when it names none.
    """

    def __init__(self, data_key: UUID | None = None) -> None:
        named = f" (data key {data_key})" if data_key else ""
        super().__init__(f"A stored secret cannot be opened{named}. Set it again.")
        self.data_key = data_key
