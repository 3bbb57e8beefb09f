"""Key material and plaintext that does not show itself where values are printed."""

import hmac
from typing import Any, NoReturn, final


@final
class Hidden:
    """Bytes whose repr, str, copy and pickle give nothing away; `expose` is the one way to them.

    Local variables appear on Django's debug page and in crash reports by their repr, so that whatever is secret is
    held in one of these and exposed within a single expression.

    Args:
        value: the bytes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def expose(self) -> bytes:
        """Return the bytes."""
        return self._value

    def __repr__(self) -> str:
        return "[hidden]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Hidden)

    def __copy__(self) -> "Hidden":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Hidden":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("Secrets are not pickled.")
