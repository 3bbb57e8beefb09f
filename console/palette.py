"""The command palette's search.

unfold keeps results for five minutes by user and term, so that a person who switches organizations, or loses a role,
still sees the old rows. Nothing is kept here: prefix searches on indexed columns are cheap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.text import capfirst

from .navigation import entries

MIN_TERM = 2
MAX_TERM = 100
ROWS_PER_ADMIN = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    title: str
    description: str
    url: str
    icon: str


def search(site: Any, request: HttpRequest, term: str) -> list[Hit]:
    """Return pages whose title holds the term and rows that an admin's search finds, as far as the actor may see them.

    Args:
        site: the console site.
        request: the running request.
        term: what the person typed; shorter than two characters finds nothing.
    """
    term = term.replace("\x00", "").strip()[:MAX_TERM]
    if len(term) < MIN_TERM:
        return []
    return [*_pages(site, request, term.lower()), *_rows(site, request, term)]


def _pages(site: Any, request: HttpRequest, term: str) -> Iterator[Hit]:
    for entry in entries(site, request):
        if term in entry.title.lower():
            yield Hit(entry.title, entry.group, entry.url, entry.icon)


def _rows(site: Any, request: HttpRequest, term: str) -> Iterator[Hit]:
    for admin in site._registry.values():
        if not admin.get_search_fields(request) or not admin.has_view_permission(request):
            continue
        found, _ = admin.get_search_results(request, admin.get_queryset(request), term)
        for row in found[:ROWS_PER_ADMIN]:
            if admin.has_view_permission(request, row):
                yield Hit(str(row), capfirst(str(admin.opts.verbose_name)), admin.object_url(row), admin.icon)
