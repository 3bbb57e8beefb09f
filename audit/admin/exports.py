"""Evidence exports in both consoles: list, request, one export with its progress, the file."""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.utils import timezone

from audit import evidence
from audit.directory import directory
from audit.exports.forms import EvidenceForm, OperatorEvidenceForm
from audit.exports.selection import wanted_of
from audit.models import Event, EvidenceExport
from audit.notes import INSTALLATION
from audit.patience import LIST, TookTooLong, patience
from audit.query import Query, Term, Value
from audit.selectors import EventFilter, in_log
from audit.services.exports import (
    cancel_export,
    delete_export,
    file_name,
    kind_of,
    request_export,
    take_export,
)
from audit.services.whole_log import require_whole_log
from console.access import actor_of
from console.lists import capped_count
from isolation.actor import ActorKind
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope
from vault.exceptions import VaultError

from .base import LogPages

_REFUSED, _UNAVAILABLE = 422, 503
_NO_STORE = {"Cache-Control": "no-store"}


class ExportPages(LogPages):
    """Evidence exports of the current organization's log, for who may export all of it."""

    def add_export_pages(self) -> None:
        """Add the pages to the site; they are reached from the log."""
        add = self.site.page
        add("audit/exports/", name="audit_exports", title="Evidence exports", permission=None)(self.show_exports)
        add("audit/exports/new/", name="audit_evidence_new", title="New export", permission=None)(self.add_export)
        one = "audit/exports/<uuid:pk>/"
        add(one, name="audit_evidence", title="Evidence export", permission=None)(self.show_evidence)
        add(f"{one}progress/", name="audit_evidence_progress", title="Progress", permission=None)(self.send_progress)
        add(f"{one}file/", name="audit_evidence_file", title="File", permission=None)(self.send_file)

    def show_exports(self, request: HttpRequest) -> HttpResponse:
        """Show the exports that there are, newest first.

        Raises:
            PermissionDenied: the actor may not export the whole log.
        """
        self._demand_whole(request)
        rows = list(self.exports(request))
        labels = self.labels_of({row.organization_id for row in rows})
        for row in rows:
            row.url = self.url("audit_evidence", row.pk)
            row.log_label = labels.get(row.organization_id, "")
        context = {
            "title": "Evidence exports",
            "breadcrumbs": self.crumbs(),
            "exports": rows,
            "across": self.across,
            "new_url": self.url("audit_evidence_new"),
        }
        return self.site.render(request, "audit/exports.html", context)

    def add_export(self, request: HttpRequest) -> HttpResponse:
        """Ask what it shall hold; on POST count the events, or make the export.

        Raises:
            PermissionDenied: the actor may not export the whole log.
        """
        self._demand_whole(request)
        form = self.evidence_form(request)
        counted: dict[str, Any] = {}
        if request.method == "POST" and form.is_valid():
            try:
                log = self.log_of(request, form)
                if "count" in request.POST:
                    counted = self._counted(request, form, log)
                else:
                    export = self._requested(request, form, log)
                    messages.success(request, "The export is being made.")
                    return HttpResponseRedirect(self.url("audit_evidence", export.pk))
            except DomainError as error:
                form.refuse(error)
        context = {
            "title": "New export",
            "breadcrumbs": [*self.crumbs(), self._crumb()],
            "form": form,
            "back_url": self.url("audit_exports"),
            **counted,
        }
        status = _REFUSED if form.is_bound and form.errors else 200
        return self.site.render(request, "audit/evidence_new.html", context, status=status)

    def show_evidence(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show one export; on POST cancel or delete it.

        Raises:
            Http404: there is none that the actor sees.
            PermissionDenied: the actor may not export the whole log.
        """
        export = self._evidence(request, pk)
        if request.method == "POST":
            return self._ended(request, export)
        log = export.organization_id
        checkpoint, keys = evidence.latest_checkpoint(log), evidence.signing_keys()
        context = {
            "title": export.title,
            "subtitle": self.labels_of({log}).get(log, ""),
            "breadcrumbs": [*self.crumbs(), self._crumb()],
            "export": export,
            "file_name": file_name(export),
            "file_url": self.url("audit_evidence_file", export.pk),
            "progress_url": self.url("audit_evidence_progress", export.pk),
            "verifies": kind_of(export).proves,
            "is_package": export.format == "package",
            "verifier_url": self.url("audit_verifier"),
            "checkpoint_url": self._checkpoint_url(log),
            "verifier_key": checkpoint.verifier_key(keys[-1].public) if checkpoint and keys else "",
            "again_url": f"{self.url('audit_evidence_new')}?{urlencode(self._again(export))}",
        }
        return self.site.render(request, "audit/evidence.html", context)

    def send_progress(self, request: HttpRequest, pk: UUID) -> JsonResponse:
        """Send how far an export has come.

        Raises:
            Http404: there is none that the actor sees.
            PermissionDenied: the actor may not export the whole log.
        """
        export = self._evidence(request, pk)
        told = {
            "state": export.state,
            "percent": export.percent,
            "done": export.done,
            "total": export.total,
            "events": export.events,
        }
        return JsonResponse(told, headers=_NO_STORE)

    def send_file(self, request: HttpRequest, pk: UUID) -> HttpResponse | StreamingHttpResponse:
        """Send an export's file; the log tells of it.

        Raises:
            Http404: there is none that the actor sees, or its file is gone.
            PermissionDenied: the actor may not export the whole log.
        """
        export = self._evidence(request, pk)
        try:
            with self.writing(export.organization_id):
                download = take_export(export=export, actor=actor_of(request))
        except DomainError as error:
            raise Http404(error.message) from error
        except VaultError:
            text = "The key of this file cannot be had now. Try again in a minute."
            return HttpResponse(text, status=_UNAVAILABLE, content_type="text/plain; charset=utf-8")
        headers = {
            "Content-Disposition": f'attachment; filename="{download.name}"',
            "Content-Length": str(download.size),
            **_NO_STORE,
        }
        return StreamingHttpResponse(download.blocks, content_type=download.content_type, headers=headers)

    # What differs on the operator console ----------------------------------------------------------

    def exports(self, request: HttpRequest) -> Any:
        """Return the exports that the actor sees."""
        return EvidenceExport.objects.visible_to(actor_of(request))

    def evidence_form(self, request: HttpRequest) -> EvidenceForm:
        """Return the form, bound on POST."""
        return EvidenceForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())

    def log_of(self, request: HttpRequest, form: EvidenceForm) -> UUID:
        """Return whose log is asked for."""
        organization_id: UUID = request.organization.pk  # type: ignore[attr-defined]
        return organization_id

    def writing(self, log: UUID) -> AbstractContextManager[None]:
        """Return the scope in which an export of a log is changed."""
        return nullcontext()

    def labels_of(self, logs: set[UUID]) -> dict[UUID, str]:
        """Return whose logs these are, where there is more than one."""
        return {}

    def name_of(self, request: HttpRequest, log: UUID) -> str:
        """Return what people call a log."""
        return str(request.organization.slug)  # type: ignore[attr-defined]

    # ---------------------------------------------------------------------------------------------

    def _demand_whole(self, request: HttpRequest) -> None:
        try:
            require_whole_log(actor_of(request))
        except DomainError as error:
            raise PermissionDenied(error.message) from error

    def _evidence(self, request: HttpRequest, pk: UUID) -> EvidenceExport:
        self._demand_whole(request)
        export: EvidenceExport | None = self.exports(request).filter(pk=pk).first()
        if export is None:
            raise Http404("There is no such export here. It may have been deleted when its time was over.")
        return export

    def _requested(self, request: HttpRequest, form: EvidenceForm, log: UUID) -> EvidenceExport:
        with self.writing(log):
            name = self.name_of(request, log)
            return request_export(organization_id=log, actor=actor_of(request), log_name=name, **form.wanted())

    def _counted(self, request: HttpRequest, form: EvidenceForm, log: UUID) -> dict[str, Any]:
        asked = form.wanted()
        with self.writing(log):
            wanted = wanted_of(
                asked["query"],
                since=asked["since"],
                until=asked["until"],
                actor=actor_of(request),
                now=timezone.now(),
            )
        try:
            with patience(LIST):
                count, more = capped_count(wanted.apply(Event.objects.filter(in_log(log))), 1_000_000)
        except TookTooLong:
            return {"takes_long": True}
        return {"count": count, "count_is_capped": more, "is_counted": True}

    def _ended(self, request: HttpRequest, export: EvidenceExport) -> HttpResponse:
        try:
            with self.writing(export.organization_id):
                if "cancel" in request.POST:
                    cancel_export(export=export, actor=actor_of(request))
                else:
                    delete_export(export=export, actor=actor_of(request))
        except DomainError as error:  # it was completed meanwhile
            messages.error(request, error.message)
            return HttpResponseRedirect(self.url("audit_evidence", export.pk))
        messages.success(request, "The export is canceled." if "cancel" in request.POST else "The export is deleted.")
        return HttpResponseRedirect(self.url("audit_exports"))

    def _crumb(self) -> dict[str, str]:
        return {"title": "Evidence exports", "url": self.url("audit_exports")}

    def _checkpoint_url(self, log: UUID) -> str:
        return self.url("audit_checkpoint")

    def _again(self, export: EvidenceExport) -> dict[str, str]:
        asked = {"format": export.format, "query": export.query, "days": str(export.days)}
        if export.since or export.until:
            asked["period"] = "custom"
        if export.since:
            asked["first"] = f"{export.since:%Y-%m-%d}"
        if export.until:
            asked["last"] = f"{export.until - timedelta(microseconds=1):%Y-%m-%d}"
        return {name: value for name, value in asked.items() if value}


class OperatorExportPages(ExportPages):
    """Those that operators asked for, of any log, each with its reason."""

    def exports(self, request: HttpRequest) -> Any:
        """Return the exports that operators asked for."""
        return super().exports(request).filter(requester_kind=ActorKind.OPERATOR)

    def evidence_form(self, request: HttpRequest) -> EvidenceForm:
        """Return the form with the choice of a log, and the reason."""
        return OperatorEvidenceForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())

    def log_of(self, request: HttpRequest, form: EvidenceForm) -> UUID:
        """Return whose log is asked for.

        Raises:
            DomainError: there is no such organization.
        """
        text = form.cleaned_data["log"].strip()
        if text.lower() == "installation":
            return INSTALLATION
        found = directory().find_organization(text.lower())
        if found is not None:
            return found
        try:
            return UUID(text)
        except ValueError:
            raise DomainError(
                f"There is no organization “{text}”. Write its identifier, such as acme.", field="log"
            ) from None

    def writing(self, log: UUID) -> AbstractContextManager[None]:
        """Return the scope in which an export of a log is changed."""
        return tenant_scope(log)

    def labels_of(self, logs: set[UUID]) -> dict[UUID, str]:
        """Return whose logs these are."""
        found = directory().organizations(logs - {INSTALLATION})
        return {log: "Installation" if log == INSTALLATION else found.get(log, str(log)) for log in logs}

    def name_of(self, request: HttpRequest, log: UUID) -> str:
        """Return what people call a log."""
        return self.labels_of({log})[log].lower()

    def _checkpoint_url(self, log: UUID) -> str:
        return f"{self.url('audit_checkpoint')}?{urlencode({'log': str(log)})}"

    def _again(self, export: EvidenceExport) -> dict[str, str]:
        log = export.organization_id
        return super()._again(export) | {"log": self.labels_of({log})[log].lower()}


def query_of(wanted: EventFilter) -> str:
    """Return the conditions of a filter, also those outside the search field, as a query; its time is left out."""
    terms = [term for term in wanted.query.terms if term.name != "time"]
    fields = {"actor": wanted.actor_id, "target": wanted.target, "outcome": wanted.outcome}
    fields |= {"project": wanted.project_id, "request": wanted.request_id}
    terms += [Term(name, (Value(str(value)),)) for name, value in fields.items() if value]
    if wanted.actor:
        terms.append(Term("actor", (Value(wanted.actor, prefix=True),)))
    if wanted.action:
        terms.append(Term("action", (Value(wanted.action.removesuffix("*"), prefix=wanted.action.endswith("*")),)))
    return str(Query(tuple(terms)))
