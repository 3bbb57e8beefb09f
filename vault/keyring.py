"""The process's numbered keys: key-encryption keys, which wrap data keys, and HMAC peppers.

It needs the settings and nothing else of Django: the gateway's processes use it without the app registry. What talks to
a network is imported when a key of that kind is first used.
"""

import threading
from collections.abc import Mapping
from typing import Protocol

from .configuration import KeyEncryptionKey, KeyringConfiguration, KmsKey, LocalKey, TransitKey
from .exceptions import KeyUnavailable, MissingKey
from .hidden import Hidden

KEYS, PEPPERS = "KEYRING_KEYS", "KEYRING_PEPPERS"


class Provider(Protocol):
    """Wraps and unwraps data keys under one key-encryption key; each module of `vault.providers` has one."""

    def wrap(self, key: Hidden, context: Mapping[str, str]) -> bytes:
        """Return `key` encrypted, bound to `context`.

        Raises:
            KeyUnavailable: the provider does not answer, or refuses.
        """

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> Hidden:
        """Return the key that `wrap` was given with the same context.

        Raises:
            KeyUnavailable: the provider does not answer, or refuses.
            WrongKey: it was wrapped under another key or context.
        """


class Keyring:
    """The keys of one configuration.

    Args:
        configuration: the parsed variables.

    Attributes:
        active_key: the number that wraps new data keys.
        active_pepper: the number that digests new secrets.
    """

    def __init__(self, configuration: KeyringConfiguration) -> None:
        self._configuration = configuration
        self._providers: dict[int, Provider] = {}
        self._lock = threading.Lock()
        self.active_key = configuration.active_key
        self.active_pepper = configuration.active_pepper

    def __repr__(self) -> str:
        return f"<Keyring: keys {self.key_numbers}, peppers {self.pepper_numbers}>"

    @property
    def key_numbers(self) -> tuple[int, ...]:
        """Return the numbers of the key-encryption keys."""
        return tuple(sorted(self._configuration.keys))

    @property
    def pepper_numbers(self) -> tuple[int, ...]:
        """Return the numbers of the peppers."""
        return tuple(sorted(self._configuration.peppers))

    def pepper(self, number: int) -> bytes:
        """Return the pepper's 32 bytes.

        Raises:
            MissingKey: there is none of that number.
        """
        try:
            return self._configuration.peppers[number].material.expose()
        except KeyError:
            raise MissingKey(number, PEPPERS) from None

    def provider(self, number: int) -> Provider:
        """Return what wraps and unwraps under the key-encryption key of that number.

        Raises:
            MissingKey: there is none of that number.
            KeyUnavailable: how its provider is reached is not configured.
        """
        with self._lock:
            if number not in self._providers:
                if number not in self._configuration.keys:
                    raise MissingKey(number, KEYS)
                self._providers[number] = self._connect(number, self._configuration.keys[number])
            return self._providers[number]

    def _connect(self, number: int, key: KeyEncryptionKey) -> Provider:
        match key:
            case LocalKey():
                from .providers.local import LocalProvider  # noqa: PLC0415 - only what is used is loaded

                return LocalProvider(number, key)
            case TransitKey():
                from .providers.transit import TransitProvider  # noqa: PLC0415 - the same

                if self._configuration.transit is None:
                    raise KeyUnavailable(number, "KEYRING_TRANSIT_ADDRESS is not set")
                return TransitProvider(number, key, self._configuration.transit)
            case KmsKey():
                from .providers.kms import KmsProvider  # noqa: PLC0415 - the same

                if self._configuration.kms is None:
                    raise KeyUnavailable(number, "AWS KMS is not configured")
                return KmsProvider(number, key, self._configuration.kms)


_current: tuple[KeyringConfiguration, Keyring] | None = None


def keyring() -> Keyring:
    """Return the process's keyring, made from ``settings.KEYRING`` when first asked."""
    from django.conf import settings  # noqa: PLC0415 - nothing of Django before it is needed

    global _current  # noqa: PLW0603 - one keyring for the process; a test's other settings make another one
    configuration: KeyringConfiguration = settings.KEYRING
    if _current is None or _current[0] is not configuration:
        _current = (configuration, Keyring(configuration))
    return _current[1]
