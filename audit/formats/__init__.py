"""The forms in which events leave Gatehouse: in downloads, evidence exports and, line by line, to SIEMs."""

from .base import Format
from .registry import FORMATS, PROVABLE_FORMATS, RECORD_FORMATS, TEXT_FORMATS

__all__ = ["FORMATS", "PROVABLE_FORMATS", "RECORD_FORMATS", "TEXT_FORMATS", "Format"]
