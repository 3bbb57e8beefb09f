"""A key-encryption key that never leaves AWS KMS."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vault.configuration import KmsAccess, KmsKey
from vault.exceptions import KeyUnavailable, WrongKey
from vault.hidden import Hidden

ATTEMPTS = 2
# What KMS answers for a ciphertext of another key, another context, or none of its own.
WRONG = frozenset({"IncorrectKeyException", "InvalidCiphertextException"})


class KmsProvider:
    """Wraps by KMS's Encrypt and Decrypt; the context is KMS's encryption context, which CloudTrail shows.

    Args:
        number: the key's number, for messages.
        key: its id, ARN or alias.
        access: how KMS is reached.
    """

    def __init__(self, number: int, key: KmsKey, access: KmsAccess) -> None:
        self._number = number
        self._key_id = key.key_id
        self._access = access
        self._lock = threading.Lock()
        self._made: Any = None

    def wrap(self, key: Hidden, context: Mapping[str, str]) -> bytes:
        """Return KMS's ciphertext.

        Raises:
            KeyUnavailable: KMS does not answer, or refuses.
        """
        with self._errors():
            answer = self._client().encrypt(KeyId=self._key_id, Plaintext=key.expose(), EncryptionContext=dict(context))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> Hidden:
        """Return the key.

        Raises:
            KeyUnavailable: KMS does not answer, or refuses.
            WrongKey: it was wrapped under another key or context.
        """
        with self._errors():
            answer = self._client().decrypt(KeyId=self._key_id, CiphertextBlob=wrapped, EncryptionContext=dict(context))
        return Hidden(answer["Plaintext"])

    def _client(self) -> Any:
        with self._lock:  # making one reads files and is not safe in two threads; using one is
            if self._made is None:
                self._made = boto3.Session().client(
                    "kms",
                    region_name=self._access.region or None,
                    endpoint_url=self._access.endpoint or None,
                    config=Config(
                        connect_timeout=self._access.timeout,
                        read_timeout=self._access.timeout,
                        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                    ),
                )
            return self._made

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown error")
            if code in WRONG:
                raise WrongKey(self._number, f"AWS KMS: {code}") from None
            raise KeyUnavailable(self._number, f"AWS KMS refused: {code}") from None
        except BotoCoreError as error:
            raise KeyUnavailable(self._number, f"AWS KMS does not answer ({type(error).__name__})") from None
