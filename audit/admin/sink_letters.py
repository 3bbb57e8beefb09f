"""What a receiver refused, and what it would receive: the pages below a sink."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit.catalogue import catalogue
from audit.masking.selection import in_words
from audit.models import DeadLetter, DeadLetterState, Sink
from audit.querysets import EXPORT, SINKS_MANAGE, SINKS_READ
from audit.services.sink_delivery import dismiss_dead_letters, retry_dead_letters
from audit.services.sink_preview import LOOKED_AT, preview_event
from audit.sinks.registry import DESTINATIONS
from console.access import actor_of, can, require
from console.keyset import CURSOR_VAR, KeysetPaginator
from console.lists import capped_count
from console.sites import ConsoleSite
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION

PER_PAGE = 50
_LETTERS = "letter"


class LetterPages(ABC):
    """The base of the pages of sinks."""

    site: ConsoleSite

    def add_letter_pages(self) -> None:
        """Add the pages to the site."""
        add = self.site.page
        add("sinks/<uuid:pk>/refused/", name="sink_refused", title="Refused events", permission=SINKS_READ)(
            self.show_letters
        )
        add("sinks/<uuid:pk>/preview/", name="sink_preview", title="Preview", permission=SINKS_READ)(self.show_preview)

    @abstractmethod
    def opened(self, request: HttpRequest) -> AbstractContextManager[None]:
        """Open the scope of the sinks."""

    @abstractmethod
    def names_of(self, logs: Sequence[UUID]) -> dict[UUID, str]:
        """Return the names of logs."""

    def url(self, name: str, *arguments: Any) -> str:
        """Return the address of a page of this console."""
        return reverse(f"{self.site.name}:{name}", args=arguments)

    def crumbs(self, sink: Sink | None = None) -> list[dict[str, str]]:
        """Return the way back to the list, or to a sink."""
        crumbs = [{"title": "SIEM sinks", "url": self.url("sinks")}]
        return [*crumbs, {"title": sink.name, "url": self.url("sink", sink.pk)}] if sink else crumbs

    def find(self, pk: UUID) -> Sink:
        """Return a sink; the scope is open.

        Raises:
            Http404: there is none.
        """
        sink: Sink | None = Sink.objects.filter(pk=pk).first()
        if sink is None:
            raise Http404("There is no such sink here.")
        return sink

    def urls(self, sink: Sink) -> dict[str, str]:
        """Return the addresses of a sink's other pages, by their last names."""
        names = (
            "change",
            "replay",
            "secret",
            "remove",
            "test",
            "pause",
            "resume",
            "try",
            "refused",
            "preview",
            "redaction",
        )
        return {name: self.url(f"sink_{name}", sink.pk) for name in names}

    def named_logs(self, logs: Sequence[UUID]) -> list[tuple[UUID, str]]:
        """Return (id, name) of logs, the installation's first; the scope is closed."""
        names = self.names_of(logs)
        named = [(log, "Installation" if log == INSTALLATION else names.get(log, str(log))) for log in logs]
        return sorted(named, key=lambda each: (each[0] != INSTALLATION, each[1]))

    def show_letters(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what the receiver refused; on POST send some again, or dismiss them.

        Raises:
            Http404: there is no such sink.
            MissingPermission: the actor may look, not change.
        """
        with self.opened(request):
            sink = self.find(pk)
            if request.method == "POST":
                require(request, SINKS_MANAGE)
                return self._settle(request, sink)
            shows_all = request.GET.get("state") == "all"
            rows = DeadLetter.objects.filter(sink=sink)
            rows = rows if shows_all else rows.filter(state=DeadLetterState.OPEN)
            page = KeysetPaginator(rows, time_field="created_at", per_page=PER_PAGE).page(request.GET.get(CURSOR_VAR))
            letters = list(page.rows)
            count, many = capped_count(DeadLetter.objects.filter(sink=sink, state=DeadLetterState.OPEN))
        names = dict(self.named_logs({letter.log for letter in letters})) if sink.receives_every_log else {}  # type: ignore[arg-type]
        for letter in letters:
            letter.url = self.url("audit_event", letter.event_id)
            letter.label = catalogue.label(letter.action)
            letter.log_name = names.get(letter.log, "")
        kept = "?state=all" if shows_all else "?"
        context = {
            "title": "Refused events",
            "subtitle": sink.name,
            "breadcrumbs": self.crumbs(sink),
            "letters": letters,
            "count": count,
            "many": many,
            "shows_all": shows_all,
            "shows_logs": sink.receives_every_log,
            "may_change": can(request, SINKS_MANAGE),
            "newest_url": kept,
            "newer_url": f"{kept}&{CURSOR_VAR}={page.newer}" if page.newer else "",
            "older_url": f"{kept}&{CURSOR_VAR}={page.older}" if page.older else "",
        }
        return self.site.render(request, "audit/sinks/letters.html", context)

    def _settle(self, request: HttpRequest, sink: Sink) -> HttpResponse:
        back = HttpResponseRedirect(self.url("sink_refused", sink.pk))
        verb, _, scope = request.POST.get("do", "").partition("-")
        letters = None if scope == "all" else _ids(request.POST.getlist(_LETTERS))
        if verb not in {"retry", "dismiss"} or letters == []:
            messages.error(request, "Choose events first.")
            return back
        if verb == "retry":
            count = retry_dead_letters(sink=sink, letters=letters, actor=actor_of(request))
            messages.success(request, f"{count:,} events are sent again. What is refused once more comes back here.")
        else:
            count = dismiss_dead_letters(sink=sink, letters=letters, actor=actor_of(request))
            messages.success(request, f"{count:,} events are dismissed. Their numbers stand in the audit log.")
        return back

    def show_preview(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a real event as it is sent.

        Raises:
            Http404: there is no such sink.
            MissingPermission: the actor may not export the log.
        """
        require(request, EXPORT)
        with self.opened(request):
            sink = self.find(pk)
            try:
                item, refusal = preview_event(sink=sink, actor=actor_of(request)), ""
            except DomainError as error:
                item, refusal = None, error.message
        receiver = DESTINATIONS.get(sink.kind)
        context = {
            "title": "Preview",
            "subtitle": sink.name,
            "breadcrumbs": self.crumbs(sink),
            "item": item,
            "label": receiver.label if receiver else sink.kind,
            "pretty": _pretty(item.text) if item else "",
            "event_url": self.url("audit_event", item.id) if item else "",
            "refusal": refusal,
            "fields": in_words(sink.sent_fields),
            "looked_at": LOOKED_AT,
            "back_url": self.url("sink", pk),
        }
        return self.site.render(request, "audit/sinks/preview.html", context)


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts[:PER_PAGE]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _pretty(text: str) -> str:
    """Return a JSON record with line ends; a record of text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text
