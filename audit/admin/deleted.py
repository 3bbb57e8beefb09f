"""The logs of organizations that are gone: operators open one with a reason, which both logs keep, for an hour."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from audit import evidence
from audit.keeping_forms import OpeningForm
from audit.models import DeletedLog, SignedCheckpoint
from audit.retention.policy import retention_of
from audit.services.deleted_logs import open_log
from console.access import actor_of
from console.confirm import ConfirmForm, add_refusal, show_confirmation
from console.sites import ConsoleSite
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope

SHOWN = 200
OPEN_FOR = timedelta(hours=1)
_OPENED = "audit_opened_logs"


class DeletedLogPages:
    """The list of these logs, and the question why one is opened."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self, *, menu: tuple[str, int], description: str) -> None:
        """Add the pages to the operators' site."""
        self.site.page(
            "audit/deleted/",
            name="audit_deleted",
            title="Deleted organizations",
            permission=None,
            menu=menu,
            icon="folder_off",
            description=description,
        )(self.show)
        self.site.page("audit/deleted/<uuid:log>/", name="audit_deleted_open", title="Open a log", permission=None)(
            self.open
        )

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show the logs that are kept, newest first."""
        rows = list(DeletedLog.objects.all()[:SHOWN])
        opened = opened_logs(request)
        now = timezone.now()
        for row in rows:
            row.retention = retention_of(row.organization_id, now=now)
            row.is_open = row.organization_id in opened
            row.url = reverse(f"{self.site.name}:audit_deleted_open", args=[row.organization_id])
            row.log_url = log_url(self.site, row.organization_id)
            query = f"?log={row.organization_id}"
            row.checkpoint_url = f"{reverse(f'{self.site.name}:audit_checkpoint')}{query}"
            row.retention_url = f"{reverse(f'{self.site.name}:audit_retention')}{query}"
        sizes = dict(
            SignedCheckpoint.objects.filter(organization_id__in=[row.organization_id for row in rows])
            .order_by("organization_id", "-size")
            .distinct("organization_id")
            .values_list("organization_id", "size")
        )
        for row in rows:
            row.sealed = sizes.get(row.organization_id, 0)
            row.standing = evidence.standing(row.organization_id)
        context = {
            "title": "Deleted organizations",
            "breadcrumbs": [{"title": "Audit log", "url": reverse(f"{self.site.name}:audit_log")}],
            "rows": rows,
        }
        return self.site.render(request, "audit/deleted.html", context)

    def open(self, request: HttpRequest, log: UUID) -> HttpResponse:
        """Ask why; on POST open the log for an hour and lead to it.

        Raises:
            Http404: no such log is kept.
        """
        row = DeletedLog.objects.filter(organization_id=log).first()
        if row is None:
            raise Http404("There is no such log.")
        form = ConfirmForm.build(request, base=OpeningForm)
        if form.is_bound and form.is_valid():
            try:
                with tenant_scope(log):
                    open_log(log=row, actor=actor_of(request), **form.answers())
            except DomainError as error:
                add_refusal(form, error)
            else:
                until = (timezone.now() + OPEN_FOR).isoformat()
                request.session[_OPENED] = {**request.session.get(_OPENED, {}), str(log): until}
                return HttpResponseRedirect(log_url(self.site, log))
        return show_confirmation(
            self.site,
            request,
            title=f"Open the log of {row.name}",
            form=form,
            cancel_url=reverse(f"{self.site.name}:audit_deleted"),
            message="Nobody there can ask any more. It is open for an hour; the log keeps when you opened it, and why.",
            submit="Open",
            danger=False,
        )


def opened_logs(request: HttpRequest) -> set[UUID]:
    """Return the logs of deleted organizations that this session has opened."""
    now = timezone.now()
    stored: dict[str, str] = request.session.get(_OPENED, {})
    return {UUID(log) for log, until in stored.items() if now < datetime.fromisoformat(until)}


def without_closed_logs(request: HttpRequest, events: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the events but those of deleted organizations whose log this session has not opened."""
    closed = set(DeletedLog.objects.values_list("organization_id", flat=True)) - opened_logs(request)
    return events.exclude(organization_id__in=closed) if closed else events


def log_url(site: ConsoleSite, log: UUID) -> str:
    """Return the address of the events of one log."""
    return f"{reverse(f'{site.name}:audit_log')}?{urlencode({'organization': log})}"
