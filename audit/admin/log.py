"""The pages of the audit log: list, one event, export."""

import json
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse

from audit import export
from audit.audit_events import record_export
from audit.diff import changes_of
from audit.directory import directory
from audit.evidence import standing
from audit.forms import ExportForm, FilterForm, OperatorFilterForm
from audit.models import Event
from audit.querysets import EXPORT, READ, may_somewhere
from audit.selectors import EventFilter
from console.access import actor_of, require
from console.keyset import CURSOR_VAR, KeysetPaginator
from console.lists import capped_count
from console.sites import ConsoleSite
from isolation.scope import tenant_scope

PER_PAGE = 50
_AROUND = timedelta(minutes=10)


class AuditLog:
    """The log of the current organization, as far as the actor may read it."""

    across = False
    """Whether the log spans organizations."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self, *, menu: tuple[str, int], description: str) -> None:
        """Add the pages to the site. Who may read the log in one project only finds it in the menu as well."""
        self.site.page(
            "audit/",
            name="audit_log",
            title="Audit log",
            permission=None,
            menu=menu,
            icon="history",
            description=description,
            open_when=lambda request: may_somewhere(actor_of(request)),
        )(self.show_list)
        self.site.page("audit/export/", name="audit_export", title="Export", permission=None)(self.show_export)
        self.site.page("audit/<uuid:event_id>/", name="audit_event", title="Event", permission=None)(self.show_event)

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show one page of the filtered log, newest first.

        Raises:
            MissingPermission: the actor may read no part of it.
        """
        self._demand(request, READ)
        form = self.filter_form(request)
        context: dict[str, Any] = {"form": form, "narrowed": form.is_narrowed, "chips": self._chips(request, form)}
        if form.is_valid():
            events = form.event_filter().apply(Event.objects.visible_to(actor_of(request)))
            page = KeysetPaginator(events, time_field="time", per_page=PER_PAGE).page(request.GET.get(CURSOR_VAR))
            count, more = capped_count(events)
            context |= {
                "events": self.named(page.rows),
                "count": count,
                "count_is_capped": more,
                "newest_url": self._query(request),
                "newer_url": self._query(request, {CURSOR_VAR: page.newer}) if page.newer else "",
                "older_url": self._query(request, {CURSOR_VAR: page.older}) if page.older else "",
                **self.about_reads(request, form),
            }
        export_url = f"{self._url('audit_export')}{self._query(request)}"
        context |= {
            "title": "Audit log",
            "across": self.across,
            "log_url": self._url("audit_log"),
            **self._sealing(request),
            "export_url": export_url if may_somewhere(actor_of(request), EXPORT) else "",
        }
        return self.site.render(request, "audit/log.html", context, status=200 if form.is_valid() else 422)

    def show_event(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Show everything that one event holds.

        Raises:
            Http404: there is none that the actor may see, whether it exists elsewhere or not at all.
            MissingPermission: the actor may read no part of the log.
        """
        self._demand(request, READ)
        event = Event.objects.visible_to(actor_of(request)).filter(pk=event_id).first()
        if event is None:
            raise Http404("There is no such event here.")
        (event,) = self.named([event])
        context = {
            "title": event.action_label,
            "subtitle": event.target_label,
            "breadcrumbs": [{"title": "Audit log", "url": self._url("audit_log")}],
            "event": event,
            "across": self.across,
            "changes": list(changes_of(event)),
            "raw": json.dumps(export.as_record(event), indent=2, ensure_ascii=False),
            "same": self._same(event),
            "proof_url": reverse(f"{self.site.name}:audit_proof", args=[event.pk]),
        }
        return self.site.render(request, "audit/event.html", context)

    def show_export(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the format; on POST record the export and send the file.

        Raises:
            MissingPermission: the actor may export no part of the log.
        """
        self._demand(request, EXPORT)
        filters = self.filter_form(request)
        if not filters.is_valid():
            messages.error(request, "Mend the filter first, then export.")
            return self.show_list(request)
        wanted = filters.event_filter()
        form = ExportForm(request.POST if request.method == "POST" else None)
        count, more = capped_count(self._exported(request, wanted), export.LIMIT)
        if request.method == "POST" and form.is_valid():
            return export.send(
                lambda: self._exported(request, wanted),
                lambda told: self._record_export(request, wanted, told),
                wanted=wanted,
                form=form.cleaned_data["format"],
                stem=self.file_stem(request),
            )
        context = {
            "title": "Export the audit log",
            "breadcrumbs": [{"title": "Audit log", "url": self._url("audit_log")}],
            "form": form,
            "count": count,
            "truncated": more,
            "limit": export.LIMIT,
            "narrowed": wanted.described(),
            "back_url": f"{self._url('audit_log')}{self._query(request)}",
        }
        return self.site.render(request, "audit/export.html", context)

    # What differs on the operator console ----------------------------------------------------------

    def filter_form(self, request: HttpRequest) -> FilterForm:
        """Return the filter form, bound to the query string."""
        return FilterForm(request.GET, projects=directory().projects(actor_of(request), READ))

    def about_reads(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        """Return whether the operators' reading is listed, and the link that changes it; a tenant's log has none."""
        return {}

    def named(self, events: Any) -> list[Any]:
        """Return the events with what the page needs beside them."""
        return list(events)

    def recorded_in(self, request: HttpRequest, wanted: EventFilter) -> UUID | None:
        """Return whose log tells of an export."""
        organization_id: UUID = request.organization.pk  # type: ignore[attr-defined]
        return organization_id

    def file_stem(self, request: HttpRequest) -> str:
        """Return how the file's name begins."""
        return f"audit-log-{request.organization.slug}"  # type: ignore[attr-defined]

    # ---------------------------------------------------------------------------------------------

    def _demand(self, request: HttpRequest, permission: str) -> None:
        if not may_somewhere(actor_of(request), permission):
            require(request, permission)

    def _exported(self, request: HttpRequest, wanted: EventFilter) -> Any:
        return wanted.apply(Event.objects.visible_to(actor_of(request), EXPORT))

    def _record_export(self, request: HttpRequest, wanted: EventFilter, told: dict[str, Any]) -> None:
        record_export(actor_of(request), self.recorded_in(request, wanted), told)

    def _sealing(self, request: HttpRequest) -> dict[str, Any]:
        """Return the way to the checkpoint and how verification stands, for who may read the whole log."""
        if not actor_of(request).can(READ):
            return {}
        shown: dict[str, Any] = {"checkpoint_url": self._url("audit_checkpoint")}
        organization_id = self.recorded_in(request, EventFilter())
        return shown | {"standing": standing(organization_id)} if organization_id else shown

    def _same(self, event: Event) -> list[tuple[str, str]]:
        log = self._url("audit_log")
        actor = {"actor_id": event.actor_id} if event.actor_id else {"actor": event.actor_label}
        links = [("Same actor", actor)]
        if event.target_id or event.target_label:
            links.append(("Same target", {"target": event.target_id or event.target_label}))
        if event.request_id:
            around = {
                name: f"{(event.time + sign * _AROUND).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
                for name, sign in (("since", -1), ("until", 1))
            }
            # The times keep the search inside an index: no index is spent on request ids.
            links.append(("Same request", {"request": event.request_id, "range": "custom", "tz": "UTC", **around}))
        return [(title, f"{log}?{urlencode(query)}") for title, query in links]

    def _chips(self, request: HttpRequest, form: FilterForm) -> list[dict[str, str]]:
        """Return the conditions that have no field of their own on the page, each with a link that drops it."""
        titles = {"actor_id": "Actor", "request": "Request", "project": "Project" if self.across else ""}
        return [
            {"title": title, "value": request.GET[name], "url": self._query(request, {name: None}) or "?"}
            for name, title in titles.items()
            if title and request.GET.get(name)
        ]

    def _query(self, request: HttpRequest, change: dict[str, str | None] | None = None) -> str:
        """Return the query string with the filter kept; it starts at the newest page unless `change` says where."""
        values = {name: value for name, value in request.GET.items() if value and name != CURSOR_VAR}
        kept = {name: value for name, value in {**values, **(change or {})}.items() if value}
        return f"?{urlencode(kept)}" if kept else "?"

    def _url(self, name: str) -> str:
        return reverse(f"{self.site.name}:{name}")


class OperatorAuditLog(AuditLog):
    """The log of the installation and of every organization, for operators."""

    across = True

    def filter_form(self, request: HttpRequest) -> FilterForm:
        """Return the filter form with the choice of a log."""
        return OperatorFilterForm(request.GET, find=directory().find_organization)

    def about_reads(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        """Return whether the operators' reading is listed, and the link that changes it."""
        shown = bool(form.cleaned_data["reads"])
        if not shown and not form.hides_reads:
            return {}  # the filter asks for it
        return {"shows_reads": shown, "reads_url": self._query(request, {"reads": None if shown else "1"})}

    def named(self, events: Any) -> list[Any]:
        """Return the events, each with its organization's identifier; its id when the organization is gone."""
        rows = list(events)
        names = directory().organizations({row.organization_id for row in rows if row.organization_id})
        for row in rows:
            pk = row.organization_id
            row.organization_label = names.get(pk, str(pk)) if pk else "Installation"
            row.organization_key = names.get(pk, str(pk)) if pk else ""
        return rows

    def recorded_in(self, request: HttpRequest, wanted: EventFilter) -> UUID | None:
        """Return the organization whose events leave, or None: the installation's log."""
        return wanted.organization_id

    def file_stem(self, request: HttpRequest) -> str:
        """Return how the file's name begins."""
        return "audit-log"

    def _record_export(self, request: HttpRequest, wanted: EventFilter, told: dict[str, Any]) -> None:
        organization_id = self.recorded_in(request, wanted)
        if organization_id is None:
            super()._record_export(request, wanted, told)
            return
        with tenant_scope(organization_id):
            super()._record_export(request, wanted, told)
