"""Tokens of LLM requests: checked once, remembered by a hash, and only as long as the same keys are published."""

import hashlib
import math
import secrets
import time

from gateway.claims import SKEW_SECONDS, Claims, TokenRefused, UnknownKey, check, public_key

from .database import Database, Unavailable
from .memory import Memory

AGAIN_SECONDS = 0.25
"""How often the database is asked for the keys at most because a token names one that is not known."""


class SigningKeys:
    """The published keys.

    Attributes:
        published: each key's x (RFC 8037) by its kid.
        keys: the same, ready to check with.
        ends, until: see `gateway.hotpath.memory.Remembered`.
    """

    __slots__ = ("ends", "keys", "published", "until")
    is_active = True
    identities = ("signing",)

    def __init__(self, published: dict[str, str]) -> None:
        self.published = published
        self.keys = {kid: public_key(x) for kid, x in published.items()}
        self.ends = math.inf
        self.until = 0.0


class Tokens:
    """Says what tokens say.

    An Ed25519 signature takes more time than all the rest of a request: it is checked once for each token. A token is
    never kept itself.

    Args:
        database: asked for the published keys.
        issuer: whose tokens are accepted.
        size: how many tokens are remembered.
        remember: seconds for the keys, unless a notification comes.
    """

    def __init__(self, database: Database, *, issuer: str, size: int, remember: float) -> None:
        self._database = database
        self._issuer = issuer
        self._size = size
        self._hash = hashlib.blake2b(digest_size=16, key=secrets.token_bytes(32))
        self._checked: dict[bytes, Claims] = {}
        self._published: dict[str, str] = {}
        self._again_at = 0.0
        self.memory: Memory[SigningKeys] = Memory(size=1, remember=remember, remember_unknown=0)

    async def claims(self, token: str) -> tuple[Claims, SigningKeys]:
        """Return what a token says, and the keys by which that is so.

        Raises:
            TokenRefused: it is not valid.
            Unavailable: nobody can say which keys are published.
        """
        keys = await self._keys()
        try:
            return self._said(token, keys), keys
        except UnknownKey:
            # A key that signs the moment that it is published may be ahead of its notification.
            now = time.monotonic()
            if now < self._again_at:
                raise
            self._again_at = now + AGAIN_SECONDS
            self.memory.heard("signing:")
            keys = await self._keys()
            return self._said(token, keys), keys

    def _said(self, token: str, keys: SigningKeys) -> Claims:
        """Return what a token says by these keys.

        Raises:
            TokenRefused: it is not valid.
        """
        if keys.published != self._published:
            self._checked.clear()
            self._published = keys.published
        digest = self._hash.copy()
        digest.update(token.encode("utf-8", "surrogateescape"))
        place = digest.digest()
        claims = self._checked.get(place)
        now = time.time()
        if claims is None:
            claims = check(token, keys=keys.keys, issuer=self._issuer, now=now)
            while len(self._checked) >= self._size:
                del self._checked[next(iter(self._checked))]
            self._checked[place] = claims
        elif claims.expires_at <= now - SKEW_SECONDS:
            del self._checked[place]
            raise TokenRefused("token_expired", "The token has expired. Get a new one from the token endpoint.")
        return claims

    async def _keys(self) -> SigningKeys:
        place = b"signing"
        keys = self.memory.recall(place, time.monotonic())
        if not isinstance(keys, SigningKeys):
            keys = await self.memory.find(place, self._fetch)
        if keys is None:
            raise Unavailable
        return keys

    async def _fetch(self) -> SigningKeys:
        return SigningKeys(await self._database.signing_keys())
