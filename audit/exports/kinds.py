"""The forms that an export can have."""

from audit.formats import FORMATS, Format
from audit.package import PACKAGE

KINDS: dict[str, Format] = {PACKAGE.name: PACKAGE, **FORMATS}
