"""``make clean``: stop the embedded servers of this checkout and delete their data."""

import sys
from pathlib import Path

from portal.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError

HOME = Path(__file__).resolve().parent.parent / ".gatehouse"


def main() -> int:
    """Remove the servers of ``make run`` and ``make test``, also where root keeps them outside the checkout."""
    try:
        for home in (HOME / "postgres", HOME / "test" / "postgres"):
            EmbeddedPostgres(home).remove()
    except EmbeddedPostgresError as error:
        print(f"Gatehouse: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
