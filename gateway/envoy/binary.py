"""Where Envoy is: on the search path, or where `make proxy` and `make test` install it."""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def envoy_binary() -> Path | None:
    """Return Envoy's path, None where there is none."""
    for lib in (Path(sys.prefix), ROOT / ".venv"):
        # Nothing imports the package: it brings modules of the same names as others that are used here.
        found = sorted(lib.glob("envoy/lib*/python3*/site-packages/envoy/_bin/envoy"))
        if found:
            return found[-1]
    path = shutil.which("envoy")
    return Path(path) if path else None
