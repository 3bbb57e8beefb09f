"""The value of an encrypted field: a secret that does not show itself."""

from collections.abc import Callable
from typing import Any, final

from . import data_keys
from .envelope import Place
from .exceptions import CannotDecrypt
from .hidden import Hidden

SEALED = "[sealed]"


class Ciphertext(bytes):
    """Bytes that the vault made: the only thing an encrypted column takes."""

    __slots__ = ()


@final
class Sealed:
    """A stored secret, or one that is about to be stored; `reveal` is the one way to its text.

    Args:
        ciphertext: what is stored, None before the first save.
        place: where it stands, None for a value without its row.
        text: what was assigned to this instance.
        restored: read from a fixture, which is stored as it is.
        reread: returns what its row holds now, None when the row is gone.
    """

    __slots__ = ("_ciphertext", "_place", "_reread", "_restored", "_text")

    def __init__(
        self,
        *,
        ciphertext: Ciphertext | None = None,
        place: Place | None = None,
        text: Hidden | None = None,
        restored: bool = False,
        reread: Callable[[], bytes | None] | None = None,
    ) -> None:
        self._ciphertext = ciphertext
        self._place = place
        self._text = text
        self._restored = restored
        self._reread = reread

    @property
    def ciphertext(self) -> Ciphertext | None:
        """Return what is stored, None for what was assigned and not saved yet."""
        return self._ciphertext

    @property
    def place(self) -> Place | None:
        """Return where it stands, None when that is not known."""
        return self._place

    @property
    def pending(self) -> Hidden | None:
        """Return the text that each save of this instance stores."""
        return self._text

    @property
    def restored(self) -> bool:
        """Return whether it was read from a fixture."""
        return self._restored

    def reveal(self) -> str:
        """Return the text.

        Raises:
            NoTenant: its organization's `tenant_scope` is not open.
            CannotDecrypt: altered, of another place, or its data key is gone; also a value that was read without its
                row (`values()`).
            VaultError: its data key cannot be unwrapped.
        """
        if self._text is not None:
            return self._text.expose().decode()
        if self._ciphertext is None or self._place is None:
            raise CannotDecrypt
        try:
            return data_keys.unseal(self._place, self._ciphertext).expose().decode()
        except CannotDecrypt:
            # A rotation may have encrypted the row again, and destroyed the former data key, since it was read.
            now = self._reread() if self._reread else None
            if now is None or now == self._ciphertext:
                raise
            return data_keys.unseal(self._place, now).expose().decode()

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return SEALED

    def __format__(self, spec: str) -> str:
        return format(SEALED, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and (
            self is other or (self._ciphertext == other._ciphertext and self._text == other._text)
        )

    def __hash__(self) -> int:
        return hash(self._ciphertext)

    def __copy__(self) -> "Sealed":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sealed":
        return self

    def __reduce__(self) -> "tuple[Any, ...]":
        if self._ciphertext is None:
            raise TypeError("A secret that is not saved yet is not pickled.")
        return (_unpickled, (bytes(self._ciphertext), self._place))


def _unpickled(ciphertext: bytes, place: Place | None) -> Sealed:
    return Sealed(ciphertext=Ciphertext(ciphertext), place=place)
