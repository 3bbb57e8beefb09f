"""One event with everything around it, and timelines."""

import json
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from audit.diff import changes_of
from audit.formats.record import as_record
from audit.models import Event
from audit.past_readers import readers_when
from audit.patience import LIST, TookTooLong, patience
from audit.querysets import READ
from audit.readers import readers_of
from audit.related import kin_of
from audit.sentences import sentence
from audit.subjects import Subject, find_subject
from audit.timeline import MergedPaginator, parts_of, subject_in
from console.access import actor_of
from console.keyset import CURSOR_VAR, KeysetPage
from isolation.scope import INSTALLATION

from .base import LogPages

PER_PAGE = 50
_DECIDING = (
    'type:member,role,group,"group member","group role","project role","exception for a user","exception for a group",'
    '"service account","API key"'
)


class EventPages(LogPages):
    """The page of an event and the timelines that it leads to."""

    def add_event_pages(self) -> None:
        """Add the pages to the site."""
        self.site.page("audit/<uuid:event_id>/", name="audit_event", title="Event", permission=None)(self.show_event)
        self.site.page("audit/timeline/<uuid:pk>/", name="audit_timeline", title="Timeline", permission=None)(
            self.show_timeline
        )

    def show_event(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Show everything that one event holds, and what happened around it.

        Raises:
            Http404: there is none that the actor may see, whether it exists elsewhere or not at all.
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        event = self.visible(request).filter(pk=event_id).first()
        if event is None:
            raise Http404("There is no such event here.")
        (event,) = self.named([event])
        context = {
            "title": event.action_label,
            "subtitle": event.target_label,
            "breadcrumbs": self.crumbs(),
            "event": event,
            "sentence": sentence(event),
            "across": self.across,
            "changes": list(changes_of(event)),
            "raw": json.dumps(as_record(event), indent=2, ensure_ascii=False),
            "same": self._same(event),
            "timelines": self._timelines(event),
            "kin": self._kin(request, event),
            "proof_url": self.url("audit_proof", event.pk),
            **self._readers(request, event),
        }
        return self.site.render(request, "audit/event.html", context)

    def show_timeline(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what somebody or something did, and what was done to it.

        Raises:
            Http404: no event that the actor may see tells of it.
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        known = find_subject(pk, actor_of(request))
        subject = known or Subject("", "", (pk,), (pk,), is_project=True)
        too_long = False
        page = KeysetPage((), None, None)
        try:
            with patience(LIST):
                parts = parts_of(subject, self.visible(request))
                page = MergedPaginator(parts, time_field="time", per_page=PER_PAGE).page(request.GET.get(CURSOR_VAR))
        except TookTooLong:
            too_long = True
        subject = known or subject_in(page.rows, pk) or subject
        if not page.rows and not (known and actor_of(request).can(READ)) and not too_long:
            raise Http404("The log tells nothing of this here.")
        context = {
            "title": f"Timeline of {subject.label or pk}",
            "label": subject.label or pk,
            "subtitle": subject.kind,
            "breadcrumbs": self.crumbs(),
            "events": self._told(page.rows, subject),
            "across": self.across,
            "too_long": too_long,
            "is_gone": known is None,
            "newest_url": "?",
            "newer_url": f"?{urlencode({CURSOR_VAR: page.newer})}" if page.newer else "",
            "older_url": f"?{urlencode({CURSOR_VAR: page.older})}" if page.older else "",
        }
        return self.site.render(request, "audit/timeline.html", context)

    def _told(self, rows: Any, subject: Subject) -> list[Any]:
        """Return the events with a sentence, and with whether the subject did it or it was done to them."""
        events = self.named(rows)
        for event in events:
            event.told = sentence(event)
            event.role = "did" if event.actor_id in subject.acting else "done to"
            if subject.is_project and event.role != "did":
                event.role = "in it" if event.target_id not in map(str, subject.ids) else "done to"
        return events

    def _same(self, event: Event) -> list[tuple[str, str]]:
        log = self.url("audit_log")
        actor = {"actor_id": event.actor_id} if event.actor_id else {"actor": event.actor_label}
        links = [("Same actor", actor)]
        if event.target_id or event.target_label:
            links.append(("Same target", {"target": event.target_id or event.target_label}))
        if event.request_id:
            links.append(("Same request", {"request": event.request_id}))
        return [(title, f"{log}?{urlencode(query)}") for title, query in links]

    def _timelines(self, event: Event) -> dict[str, str]:
        return {
            "actor": self.timeline_of(event.actor_id),
            "target": self.timeline_of(event.target_id),
            "project": self.timeline_of(event.project_id),
        }

    def _kin(self, request: HttpRequest, event: Event) -> list[dict[str, Any]]:
        try:
            with patience(LIST):
                found = kin_of(event, self.visible(request))
        except TookTooLong:
            return []
        for other in (other for kin in found for other in kin.events):
            other.told = sentence(other)  # type: ignore[attr-defined]
        return [{"title": kin.title, "events": kin.events, "url": self.found_by(kin.query)} for kin in found]

    def _readers(self, request: HttpRequest, event: Event) -> dict[str, Any]:
        """Return who can read the event now, and could when it happened, for whoever reads the whole log."""
        log = event.organization_id or INSTALLATION
        if not actor_of(request).can(READ) or log == INSTALLATION:
            return {"tells_readers": False, "is_installations": log == INSTALLATION}
        changes = f"{_DECIDING} time:>={event.time:%Y-%m-%dT%H:%M:%S}Z"
        return {
            "tells_readers": True,
            "readers": readers_of(log, event.project_id, READ),
            "past": readers_when(event, READ),
            "deciding_url": self.found_by(changes),
        }
