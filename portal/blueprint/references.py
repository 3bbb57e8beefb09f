"""Secrets that a blueprint names: read when they are needed, never kept in the document."""

import os
from pathlib import Path as FilePath

from .problems import BlueprintError, Path
from .reader import Source

_MOST_BYTES = 64 * 1024


def reveal(reference: dict[str, str], path: Path, source: Source) -> str:
    """Return the secret behind ``{env: NAME}`` or ``{file: PATH}``.

    Args:
        reference: as the schema allows it.
        path: where it stands.
        source: the document; a relative file is looked for beside it.

    Raises:
        BlueprintError: nothing is there; what is found is never quoted.
    """
    if name := reference.get("env"):
        value, holder = source.secrets.get(name) or os.environ.get(name, "").strip(), f"The variable {name}"
        if not value:
            raise BlueprintError([source.problem((*path, "env"), f"{holder} is not set.")])
    else:
        file = FilePath(source.name).parent / reference["file"]
        value, holder = _content(file, path, source), f"The file {file}"
        if not value:
            raise BlueprintError([source.problem((*path, "file"), f"{holder} is empty.")])
    if "\0" in value:
        raise BlueprintError([source.problem(path, f"{holder} holds a NUL character.")])
    return value


def described(reference: dict[str, str]) -> str:
    """Return a reference as a plan shows it."""
    return f"env:{reference['env']}" if "env" in reference else f"file:{reference['file']}"


def _content(file: FilePath, path: Path, source: Source) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode().strip()
    except UnicodeDecodeError:
        said = "is not UTF-8 text"
    except (OSError, ValueError) as error:
        said = f"cannot be read: {getattr(error, 'strerror', None) or 'no such file'}"
    raise BlueprintError([source.problem((*path, "file"), f"The file {file} {said}.")])
