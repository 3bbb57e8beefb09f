"""Presidio, an extra: finds names, places and national numbers in texts, which have no shape that is theirs alone.

Nothing is downloaded: the language model is one that is installed (PRESIDIO_MODEL), or an empty one, by which only what
has a pattern is found. What Presidio would ask the network about is left to the detectors of our own.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings

from isolation.exceptions import DomainError

EMPTY = "blank:en"
"""The model without a model: what a text is made of, in English."""
LONGEST = 20_000
"""Characters of a text that is looked into; a longer one is withheld whole."""
LEAST_SCORE = 0.4
"""Below it Presidio is guessing."""

_BLANK = "blank:"
_PACKAGE = re.compile(r"[a-z][a-z0-9_]*")
_REMEMBERED = 2_048
# Addresses of mail and web: they read a list of domains, which is downloaded. Times and random ids tell of nobody.
_LEFT_OUT = ("EmailRecognizer", "UrlRecognizer", "DateRecognizer", "UuidRecognizer")
_UNWANTED = frozenset({"DATE_TIME"})

_lock = Lock()


class DetectorMissing(DomainError):  # noqa: N818 - reads as the statement it is
    """A detector that is asked for cannot be used here: nothing leaves that it should have looked into."""


class Presidio:
    """A detector whose finds are Presidio's."""

    name = "presidio"
    label = "Names, places and national numbers (Presidio)"
    is_whole = False
    """Of a find that overlaps another detector's the rest counts, too."""

    def missing(self) -> str:
        """Return what has to be done before it can be used; "" when nothing."""
        if find_spec("presidio_analyzer") is not None:
            return ""
        return (
            "It needs Presidio: the operator of this installation has to install Gatehouse with the extra presidio, "
            "or pip install 'presidio-analyzer>=2.2.360'."
        )

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of each find, none overlapping another.

        Raises:
            DetectorMissing: it cannot be used here.
        """
        if len(text) > LONGEST:
            yield 0, len(text)
        elif text and not text.isspace():
            yield from _finds(settings.PRESIDIO_MODEL, text)


PRESIDIO = Presidio()


def installed_model(name: str) -> str:
    """Return the name of a model that is here; "" stands for `EMPTY`.

    Args:
        name: an installed package, a directory, or ``blank:`` and a language.

    Raises:
        ValueError: there is no such model; the message says what may be named.
    """
    if not name:
        return EMPTY
    if PRESIDIO.missing():
        raise ValueError("needs the extra presidio, which is not installed. Install it, or remove this variable")
    language = name.removeprefix(_BLANK)
    if name.startswith(_BLANK):
        is_there = bool(_PACKAGE.fullmatch(language)) and find_spec(f"spacy.lang.{language}") is not None
    elif _PACKAGE.fullmatch(name):
        is_there = find_spec(name) is not None
    else:
        is_there = (Path(name) / "meta.json").is_file()
    if not is_there:
        raise ValueError(
            f"{name!r} is no spaCy model of this machine. Name an installed package, the directory of a model, or "
            "blank: and a language; nothing is downloaded"
        )
    return name


@lru_cache(maxsize=_REMEMBERED)
def _finds(model: str, text: str) -> tuple[tuple[int, int], ...]:
    """Return what is found in a text; labels come again and again."""
    try:
        with _lock:
            engine, language, entities = _engine(model)
            found = engine.analyze(text, language=language, entities=entities, score_threshold=LEAST_SCORE)
    except Exception as error:
        raise DetectorMissing(
            f"Presidio cannot be used: {type(error).__name__}. Whoever runs this installation finds more in its log; "
            "until then, withhold whole fields, or take it out of the redaction.",
            field="redaction",
            code="missing",
        ) from error
    joined: list[tuple[int, int]] = []
    for start, end in sorted((each.start, each.end) for each in found):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


@lru_cache(maxsize=1)
def _engine(model: str) -> tuple[Any, str, list[str]]:
    """Return Presidio's engine over a model that is here, its language, and what is looked for."""
    import spacy  # noqa: PLC0415 - an extra, and seconds that nobody else should pay
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415

    is_blank = model.startswith(_BLANK)
    language_model = spacy.blank(model.removeprefix(_BLANK)) if is_blank else spacy.load(model)
    language = str(language_model.lang)
    texts: Any = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model}])
    texts.nlp = {language: language_model}  # loaded: by itself it would download what it does not find
    registry = RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=texts)
    for name in _LEFT_OUT:
        registry.remove_recognizer(name)
    engine = AnalyzerEngine(registry=registry, nlp_engine=texts, supported_languages=[language])
    return engine, language, sorted(set(engine.get_supported_entities(language)) - _UNWANTED)
