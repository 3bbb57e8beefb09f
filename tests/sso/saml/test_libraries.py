"""lxml and xmlsec, in one process, work with the same libxml2: with two they would free each other's memory."""

import xmlsec
from lxml import etree


def test_lxml_and_xmlsec_share_one_libxml2() -> None:
    assert xmlsec.get_libxml_version() == etree.LIBXML_VERSION
    assert xmlsec.get_libxml_compiled_version() == etree.LIBXML_COMPILED_VERSION
