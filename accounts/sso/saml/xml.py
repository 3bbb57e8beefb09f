"""Reads XML that anybody may have sent: small, UTF-8, without DTD, entities, comments and processing instructions."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

from lxml import etree

from accounts.sso.exceptions import SignInRefused

LARGEST = 512 * 1024
"""Bytes of a document."""
_DEEPEST = 60
_MOST_ELEMENTS = 20_000
_MOST_ATTRIBUTES = 40
_DECLARED = re.compile(rb"\A<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']")
_SCHEMA_LOCK = Lock()
_PUT_IN = "The XML has comments or processing instructions, which somebody may have put in after it was signed."


def read(content: bytes, *, largest: int = LARGEST, comments: bool = False) -> Any:
    """Return a document's root element.

    Args:
        content: the document.
        largest: how many bytes it may have.
        comments: whether it may have comments; they are dropped. A message may not: canonicalization skips them, so
            that anybody could put one into a signed text.

    Raises:
        SignInRefused: it is none, or has what no message needs.
    """
    if len(content) > largest:
        raise SignInRefused(f"The XML is larger than {largest // 1024} KiB.")
    content = content.removeprefix(b"\xef\xbb\xbf").strip()
    declared = _DECLARED.match(content)
    if declared and declared[1].lower() not in {b"utf-8", b"utf8", b"us-ascii", b"ascii"}:
        raise SignInRefused("The XML is not written in UTF-8.")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise SignInRefused("The XML is not written in UTF-8.") from None
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise SignInRefused("The XML has a document type or entities, which no SAML document needs.")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=comments,
        remove_pis=False,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise SignInRefused("That is no well-formed XML.") from None
    if root.getroottree().docinfo.doctype:
        raise SignInRefused("The XML has a document type, which no SAML document needs.")
    _check_shape(root)
    return root


def check_schema(root: Any, schema: str) -> None:
    """Refuse a document that does not follow a schema of the standard.

    Args:
        root: its root element.
        schema: "protocol" or "metadata".

    Raises:
        SignInRefused: it does not.
    """
    with _SCHEMA_LOCK:
        known = _schema(schema)
        if not known.validate(root):
            error = known.error_log.last_error
            said = f": {error.message[:200]}" if error is not None else ""
            raise SignInRefused(f"The XML does not follow the schema of SAML 2.0{said}")


def text_of(element: Any) -> str:
    """Return the text of an element that has nothing but text.

    Raises:
        SignInRefused: it has something else.
    """
    if len(element):
        raise SignInRefused(f"The element {etree.QName(element).localname} has more than a text.")
    return element.text or ""


def only_child(element: Any, name: str, what: str) -> Any:
    """Return the one child of this name.

    Raises:
        SignInRefused: there is none, or several.
    """
    found = element.findall(name)
    if len(found) != 1:
        raise SignInRefused(f"There is {'no' if not found else 'more than one'} {what}.")
    return found[0]


def _check_shape(root: Any) -> None:
    depth = count = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event in {"comment", "pi"}:
            raise SignInRefused(
                "The XML has comments or processing instructions, which somebody may have put in later."
            )
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > _DEEPEST or count > _MOST_ELEMENTS:
            raise SignInRefused("The XML is nested too deeply, or has too many elements.")
        if event == "start" and len(node.attrib) > _MOST_ATTRIBUTES:
            raise SignInRefused("The XML has an element with too many attributes.")
    outside = [*root.itersiblings(), *root.itersiblings(preceding=True)]
    if outside:
        raise SignInRefused(_PUT_IN)


@cache
def _schema(name: str) -> Any:
    """Return a schema; python3-saml brings those of OASIS, which refer to each other as files."""
    path = Path(str(files("onelogin.saml2"))) / "schemas" / f"saml-schema-{name}-2.0.xsd"
    return etree.XMLSchema(etree.parse(str(path), etree.XMLParser(no_network=True)))
