"""A key-encryption key that never leaves HashiCorp Vault's or OpenBao's transit engine."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hvac
from hvac.exceptions import InvalidRequest, VaultError
from requests.exceptions import RequestException

from vault.configuration import TransitAccess, TransitKey
from vault.exceptions import KeyUnavailable, WrongKey
from vault.hidden import Hidden


class TransitProvider:
    """Wraps by the engine's encrypt and decrypt calls; the context travels as associated data.

    Args:
        number: the key's number, for messages.
        key: its name in the engine.
        access: how the engine is reached.
    """

    def __init__(self, number: int, key: TransitKey, access: TransitAccess) -> None:
        self._number = number
        self._name = key.name
        self._access = access

    def wrap(self, key: Hidden, context: Mapping[str, str]) -> bytes:
        """Return the engine's ciphertext (``vault:v1:...``).

        Raises:
            KeyUnavailable: the engine does not answer, or refuses.
        """
        with self._engine() as call:
            answer = call("encrypt_data", plaintext=_encoded(key.expose()), associated_data=_bound(context))
        return str(answer["data"]["ciphertext"]).encode()

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> Hidden:
        """Return the key.

        Raises:
            KeyUnavailable: the engine does not answer, or refuses.
            WrongKey: it was wrapped under another key or context.
        """
        with self._engine() as call:
            try:
                answer = call("decrypt_data", ciphertext=wrapped.decode("ascii"), associated_data=_bound(context))
            except (InvalidRequest, UnicodeDecodeError):
                raise WrongKey(self._number, "the transit engine refused the ciphertext") from None
        return Hidden(base64.b64decode(answer["data"]["plaintext"]))

    @contextmanager
    def _engine(self) -> Iterator[Callable[..., Any]]:
        """Yield what calls a method of the engine with this key; its errors become ours."""
        where = f"the transit engine at {self._access.address}"
        client = hvac.Client(
            url=self._access.address,
            token=self._access.token(),
            namespace=self._access.namespace or None,
            verify=self._access.ca or True,
            timeout=self._access.timeout,
            allow_redirects=False,  # the token goes to the configured address only
        )

        def call(method: str, **values: str) -> Any:
            verb = getattr(client.secrets.transit, method)
            return verb(name=self._name, mount_point=self._access.mount, **values)

        try:
            yield call
        except VaultError as error:
            reasons = "; ".join(str(reason) for reason in error.errors or ()) or type(error).__name__
            raise KeyUnavailable(self._number, f"{where} refused: {reasons}") from None
        except (RequestException, KeyError, TypeError) as error:
            raise KeyUnavailable(self._number, f"{where} does not answer ({type(error).__name__})") from None
        finally:
            client.adapter.close()


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bound(context: Mapping[str, str]) -> str:
    return _encoded(json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode())
