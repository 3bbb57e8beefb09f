"""The pages of the audit log: list and download; events, timelines, live answers and saved searches beside them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from audit import download
from audit.audit_events import record_export
from audit.directory import directory
from audit.evidence import standing
from audit.exports.forms import CUSTOM
from audit.forms import ExportForm, FilterForm, OperatorFilterForm
from audit.patience import CHART, LIST, TookTooLong, patience
from audit.query.conditions import WITHOUT_ANCHOR
from audit.query.qualifiers import QUALIFIERS, names
from audit.query.times import EARLIEST, LATEST, Span
from audit.querysets import EXPORT, READ, may_somewhere
from audit.selectors import EventFilter
from audit.tail import place_now
from console.access import actor_of
from console.keyset import CURSOR_VAR, Cursor, KeysetPaginator
from console.lists import capped_count
from isolation.scope import INSTALLATION, tenant_scope

from .base import AT_VAR
from .chart import chart_of
from .deleted import without_closed_logs
from .events import EventPages
from .exports import ExportPages, OperatorExportPages, query_of
from .live import LivePages
from .searches import SearchPages

PER_PAGE = 50
_LAST_ID = str(UUID(int=2**128 - 1))
_REFUSED = 422


class AuditLog(EventPages, LivePages, SearchPages, ExportPages):
    """The log of the current organization, as far as the actor may read it."""

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
        self.site.page("audit/export/", name="audit_export", title="Download", permission=None)(self.show_export)
        self.add_live_pages()
        if not self.across:
            self.add_search_pages()
        self.add_event_pages()
        self.add_export_pages()

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show one page of the filtered log, newest first.

        Raises:
            MissingPermission: the actor may read no part of it.
        """
        self.demand(request)
        form = self.filter_form(request)
        context: dict[str, Any] = {"form": form, "narrowed": form.is_narrowed, "chips": self._chips(request, form)}
        if form.is_valid():
            context |= self._found(request, form) | self.about_reads(request, form)
        may_export = may_somewhere(actor_of(request), EXPORT)
        context |= {
            "title": "Audit log",
            "across": self.across,
            "log_url": self.url("audit_log"),
            **self._sealing(request),
            "suggestions_url": self.url("audit_suggestions"),
            "language": [QUALIFIERS[name] for name in names(across=self.across)],
            "download_url": f"{self.url('audit_export')}{self.kept(request)}" if may_export else "",
            "exports_url": self.url("audit_exports") if actor_of(request).authority.allows_everywhere(EXPORT) else "",
            **({} if self.across else self.saved(request)),
        }
        return self.site.render(request, "audit/log.html", context, status=200 if form.is_valid() else _REFUSED)

    def show_export(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for the format; on POST record the export and send the file.

        Raises:
            MissingPermission: the actor may export no part of the log.
        """
        self.demand(request, EXPORT)
        filters = self.filter_form(request, EXPORT)
        if not filters.is_valid():
            messages.error(request, "Mend the filter first, then export.")
            return self.show_list(request)
        wanted = filters.event_filter()
        form = ExportForm(request.POST if request.method == "POST" else None)
        count, more = capped_count(self._exported(request, wanted), download.LIMIT)
        if request.method == "POST" and form.is_valid():
            return download.send(
                lambda: self._exported(request, wanted),
                lambda told: self._record_export(request, wanted, told),
                wanted=wanted,
                form=form.cleaned_data["format"],
                stem=self.file_stem(request),
            )
        context = {
            "title": "Download events",
            "breadcrumbs": self.crumbs(),
            "form": form,
            "count": count,
            "truncated": more,
            "limit": download.LIMIT,
            "narrowed": wanted.described(),
            "limited_to": WITHOUT_ANCHOR.days if wanted.limited else 0,
            "back_url": f"{self.url('audit_log')}{self.kept(request)}",
            "evidence_url": self._evidence_url(request, wanted),
        }
        return self.site.render(request, "audit/export.html", context)

    # What differs on the operator console ----------------------------------------------------------

    def about_reads(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        """Return whether the operators' reading is listed, and the link that changes it; a tenant's log has none."""
        return {}

    def recorded_in(self, request: HttpRequest, wanted: EventFilter) -> UUID | None:
        """Return whose log tells of an export."""
        organization_id: UUID = request.organization.pk  # type: ignore[attr-defined]
        return organization_id

    def file_stem(self, request: HttpRequest) -> str:
        """Return how the file's name begins."""
        return f"audit-log-{request.organization.slug}"  # type: ignore[attr-defined]

    # ---------------------------------------------------------------------------------------------

    def _found(self, request: HttpRequest, form: FilterForm) -> dict[str, Any]:
        """Return one page of events, how many there are, and the chart."""
        wanted = form.event_filter()
        events = wanted.apply(self.visible(request))
        cursor, day = request.GET.get(CURSOR_VAR), _day(request.GET.get(AT_VAR, ""))
        if day is not None and not cursor:
            cursor = Cursor(older=True, time=day + timedelta(days=1), pk=_LAST_ID).encode()
        following = {} if cursor else {"place": place_now(), "new_url": f"{self.url('audit_new')}{self.kept(request)}"}
        try:
            with patience(LIST):
                page = KeysetPaginator(events, time_field="time", per_page=PER_PAGE).page(cursor)
                count, more = capped_count(events)
        except TookTooLong:
            return {"too_long": True}
        chart, chart_too_long = None, False
        try:
            with patience(CHART):
                chart = chart_of(
                    events, wanted.span, few=not more, link=lambda time: self.narrowed_to(request, form.query, time)
                )
        except TookTooLong:
            chart_too_long = True
        return {
            "events": self.named(page.rows),
            "count": count,
            "count_is_capped": more,
            "limited_to": WITHOUT_ANCHOR.days if wanted.limited else 0,
            "chart": chart,
            "chart_too_long": chart_too_long,
            "at": f"{day:%Y-%m-%d}" if day else "",
            "kept_values": [(name, value) for name, value in request.GET.items() if value and name in form.fields],
            "newest_url": self.kept(request),
            "newer_url": self.kept(request, {CURSOR_VAR: page.newer}) if page.newer else "",
            "older_url": self.kept(request, {CURSOR_VAR: page.older}) if page.older else "",
            "follow_every": self.follow_every,
            **following,
        }

    def _evidence_url(self, request: HttpRequest, wanted: EventFilter) -> str:
        """Return the address of an evidence export of the same events, for who may have one."""
        if not actor_of(request).authority.allows_everywhere(EXPORT):
            return ""
        asked: dict[str, str] = {"query": query_of(wanted)}
        if wanted.span.since or wanted.span.until:
            asked |= {"period": CUSTOM, **_days(wanted.span)}
        return f"{self.url('audit_evidence_new')}?{urlencode({name: text for name, text in asked.items() if text})}"

    def _exported(self, request: HttpRequest, wanted: EventFilter) -> Any:
        return wanted.apply(self.visible(request, EXPORT))

    def _record_export(self, request: HttpRequest, wanted: EventFilter, told: dict[str, Any]) -> None:
        record_export(actor_of(request), self.recorded_in(request, wanted), told)

    def _sealing(self, request: HttpRequest) -> dict[str, Any]:
        """Return the way to the checkpoint and how verification stands, for who may read the whole log."""
        if not actor_of(request).can(READ):
            return {}
        shown: dict[str, Any] = {"checkpoint_url": self.url("audit_checkpoint")}
        organization_id = self.recorded_in(request, EventFilter())
        return shown | {"standing": standing(organization_id)} if organization_id else shown

    def _chips(self, request: HttpRequest, form: FilterForm) -> list[dict[str, str]]:
        """Return the conditions that have no field of their own on the page, each with a link that drops it."""
        titles = {"actor_id": "Actor", "request": "Request", "project": "Project" if self.across else ""}
        return [
            {"title": title, "value": request.GET[name], "url": self.kept(request, {name: None}) or "?"}
            for name, title in titles.items()
            if title and request.GET.get(name)
        ]


class OperatorAuditLog(OperatorExportPages, AuditLog):
    """The log of the installation and of every organization, for operators."""

    across = True
    follow_every = 15  # each question is itself written to the log

    def visible(self, request: HttpRequest, permission: str = READ) -> "QuerySet[Any]":
        """Return the events of every log but those of deleted organizations that were not opened."""
        return without_closed_logs(request, super().visible(request, permission))

    def filter_form(self, request: HttpRequest, permission: str = READ) -> FilterForm:
        """Return the filter form with the choice of a log."""
        return OperatorFilterForm(
            request.GET, find=directory().find_organization, places=self.places(request, permission)
        )

    def about_reads(self, request: HttpRequest, form: Any) -> dict[str, Any]:
        """Return whether the operators' reading is listed, and the link that changes it."""
        shown = bool(form.cleaned_data["reads"])
        if not shown and not form.hides_reads:
            return {}  # the filter asks for it
        return {"shows_reads": shown, "reads_url": self.kept(request, {"reads": None if shown else "1"})}

    def named(self, events: Any) -> list[Any]:
        """Return the events, each with its organization's identifier; its id when the organization is gone."""
        rows = list(events)
        labels = directory().organizations({row.organization_id for row in rows if row.organization_id})
        for row in rows:
            pk = None if row.organization_id == INSTALLATION else row.organization_id
            row.organization_label = labels.get(pk, str(pk)) if pk else "Installation"
            row.organization_key = labels.get(pk, str(pk)) if pk else ""
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


def _days(span: Span) -> dict[str, str]:
    """Return the days of a period, as the form of an evidence export takes them."""
    last = span.until - timedelta(microseconds=1) if span.until else None
    return {name: f"{day.astimezone(UTC):%Y-%m-%d}" for name, day in (("first", span.since), ("last", last)) if day}


def _day(text: str) -> datetime | None:
    """Return the midnight, in UTC, with which a day begins; None for what is no day."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if EARLIEST <= day < LATEST else None
