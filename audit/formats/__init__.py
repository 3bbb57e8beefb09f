"""The forms in which events leave Gatehouse: in downloads, evidence exports and, line by line, to SIEMs."""

from .base import Format
from .registry import FORMATS

__all__ = ["FORMATS", "Format"]
