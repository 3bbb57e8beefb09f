"""The pages of retention, legal holds, erasures and receipts, on both consoles."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from audit.directory import directory
from audit.keeping_forms import HoldForm, PersonForm, ReasonForm, ReleaseForm, RetentionForm
from audit.models import ErasureRequest, LegalHold, RetirementReceipt
from audit.notes import INSTALLATION
from audit.querysets import MANAGE_RETENTION, READ_RETENTION
from audit.retention.policy import retention_of
from audit.services.erasures import Preview, cancel_erasure, preview_erasure, request_erasure
from audit.services.holds import release_hold, set_hold
from audit.services.retention import change_retention
from console.access import actor_of, can, require
from console.confirm import ConfirmForm, add_refusal, show_confirmation
from console.sites import ConsoleSite
from isolation.exceptions import DomainError
from isolation.scope import tenant_scope

SHOWN = 100
_REFUSED = 422


class RetentionPages:
    """What is kept of the current organization's log, what is held, who is erased, and the receipts."""

    across = False
    """Whether the log is chosen by the address."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self, *, description: str) -> None:
        """Add the pages to the site; all but the first are reached from it."""

        def add(route: str, name: str, title: str, view: Any, **more: Any) -> None:
            self.site.page(f"audit/retention/{route}", name=name, title=title, permission=None, **more)(view)

        add(
            "",
            "audit_retention",
            "Retention and holds",
            self.show,
            menu=("Compliance", 12),
            icon="inventory_2",
            description=description,
            open_when=lambda request: actor_of(request).can(READ_RETENTION),
        )
        add("holds/new/", "audit_hold_new", "Set a legal hold", self.add_hold)
        add("holds/<uuid:pk>/release/", "audit_hold_release", "Release a legal hold", self.release)
        add("erasures/new/", "audit_erasure_new", "Erase a person", self.add_erasure)
        add("erasures/<uuid:pk>/cancel/", "audit_erasure_cancel", "Call an erasure off", self.cancel)
        add("receipts/<int:pk>/", "audit_receipt", "Receipt", self.send_receipt)

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show everything; on POST change how long events are kept.

        Raises:
            MissingPermission: the actor may not see it, or not change it.
            Http404: there is no such log.
        """
        require(request, READ_RETENTION)
        log = self.log(request)
        retention = retention_of(log, now=timezone.now())
        posted = request.method == "POST"
        form = RetentionForm(
            request.POST if posted else None, retention=retention, notice_days=settings.AUDIT_RETENTION_NOTICE_DAYS
        )
        if posted and not self.across:
            require(request, MANAGE_RETENTION)
        if posted and form.is_valid() and self._changed(request, log, form):
            return HttpResponseRedirect(self.address("audit_retention", log))
        holds = list(LegalHold.objects.filter(organization_id=log)[:SHOWN])
        erasures = list(ErasureRequest.objects.filter(organization_id=log)[:SHOWN])
        receipts = list(RetirementReceipt.objects.filter(organization_id=log)[:SHOWN])
        for hold in holds:
            hold.release_url = self.address("audit_hold_release", log, hold.pk)
            hold.may_release = hold.released_at is None and (self.across or not hold.by_operator)
        for erasure in erasures:
            erasure.cancel_url = self.address("audit_erasure_cancel", log, erasure.pk)
        for receipt in receipts:
            receipt.url = self.address("audit_receipt", log, receipt.pk)
        context = {
            "title": "Retention and holds",
            "breadcrumbs": [{"title": "Audit log", "url": reverse(f"{self.site.name}:audit_log")}],
            "form": form,
            "retention": retention,
            "editable": self.across or can(request, MANAGE_RETENTION),
            "holds": holds,
            "in_force": sum(hold.is_in_force for hold in holds),
            "erasures": erasures,
            "receipts": receipts,
            "hold_url": self.address("audit_hold_new", log),
            "erasure_url": self.address("audit_erasure_new", log),
            **self.about_logs(request, log),
        }
        return self.site.render(request, "audit/retention.html", context, status=_REFUSED if form.errors else 200)

    def add_hold(self, request: HttpRequest) -> HttpResponse:
        """Ask what a hold keeps; on POST set it.

        Raises:
            MissingPermission: the actor may not.
        """
        self.demand(request)
        log = self.log(request)
        form = HoldForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                with self.inside(log):
                    hold = set_hold(organization_id=log, actor=actor_of(request), **form.values())
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, f"The legal hold “{hold}” is in force.")
                return HttpResponseRedirect(self.address("audit_retention", log))
        lead = (
            "What a hold is about is not retired and not erased, and the organization is not deleted, until somebody "
            "releases it."
        )
        return self._asked(request, log, form, {"title": "Set a legal hold", "lead": lead, "submit": "Set the hold"})

    def release(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask why; on POST release the hold.

        Raises:
            MissingPermission: the actor may not.
            Http404: there is no such hold.
        """
        self.demand(request)
        log = self.log(request)
        hold = self._found(LegalHold, log, pk)
        form = ConfirmForm.build(request, base=ReleaseForm)
        if form.is_bound and form.is_valid():
            try:
                with self.inside(log):
                    release_hold(hold=hold, actor=actor_of(request), **form.answers())
            except DomainError as error:
                add_refusal(form, error)
            else:
                messages.success(request, f"The legal hold “{hold}” is released. It goes on for a week.")
                return HttpResponseRedirect(self.address("audit_retention", log))
        return show_confirmation(
            self.site,
            request,
            title=f"Release “{hold}”",
            form=form,
            cancel_url=self.address("audit_retention", log),
            message="It goes on for a week, and the owners get a mail. After that what is out of time is retired.",
            submit="Release",
        )

    def add_erasure(self, request: HttpRequest) -> HttpResponse:
        """Ask whom it is about, show what would go, then ask why; on POST have it done.

        Raises:
            MissingPermission: the actor may not.
        """
        self.demand(request)
        log = self.log(request)
        named = "person" in request.GET or request.method == "POST"
        chosen = PersonForm((request.POST if request.method == "POST" else request.GET) if named else None)
        preview = self._preview(request, log, chosen) if chosen.is_bound and chosen.is_valid() else None
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if preview is not None and form.is_bound and form.is_valid():
            try:
                with self.inside(log):
                    request_erasure(
                        organization_id=log,
                        person=chosen.cleaned_data["person"],
                        reason=form.cleaned_data["reason"],
                        actor=actor_of(request),
                    )
            except DomainError as error:
                form.refuse(error)
            else:
                days = settings.AUDIT_ERASURE_NOTICE_DAYS
                messages.success(request, f"They are erased in {days} day{'s' if days > 1 else ''}.")
                return HttpResponseRedirect(self.address("audit_retention", log))
        context = {
            "title": "Erase a person",
            "breadcrumbs": self._crumbs(log),
            "back_url": self.address("audit_retention", log),
            "chosen": chosen,
            "preview": preview,
            "form": form,
            "log_value": log if self.across else "",
            "days": settings.AUDIT_ERASURE_NOTICE_DAYS,
            **self.about_logs(request, log),
        }
        wrong = chosen.errors or form.errors
        return self.site.render(request, "audit/erasure.html", context, status=_REFUSED if wrong else 200)

    def cancel(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask; on POST call the erasure off.

        Raises:
            MissingPermission: the actor may not.
            Http404: there is no such erasure.
        """
        self.demand(request)
        log = self.log(request)
        erasure = self._found(ErasureRequest, log, pk)
        form = ConfirmForm.build(request)
        if form.is_bound and form.is_valid():
            try:
                with self.inside(log):
                    cancel_erasure(request=erasure, actor=actor_of(request))
            except DomainError as error:
                add_refusal(form, error)
            else:
                messages.success(request, "The erasure is called off.")
                return HttpResponseRedirect(self.address("audit_retention", log))
        return show_confirmation(
            self.site,
            request,
            title="Call the erasure off",
            form=form,
            cancel_url=self.address("audit_retention", log),
            message="Nothing is erased. It can be asked for again.",
            submit="Call it off",
            danger=False,
        )

    def send_receipt(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send a receipt: a signed note.

        Raises:
            MissingPermission: the actor may not see it.
            Http404: there is no such receipt.
        """
        require(request, READ_RETENTION)
        receipt = self._found(RetirementReceipt, self.log(request), pk)
        headers = {"Content-Disposition": f'attachment; filename="receipt-{receipt.month:%Y-%m}-{receipt.pk}.txt"'}
        return HttpResponse(receipt.note, content_type="text/plain; charset=utf-8", headers=headers)

    # What differs on the operator console ----------------------------------------------------------

    def demand(self, request: HttpRequest) -> None:
        """Refuse whoever may not change anything here.

        Raises:
            MissingPermission: it is refused, and recorded.
        """
        require(request, MANAGE_RETENTION)

    def log(self, request: HttpRequest) -> UUID:
        """Return whose log is shown."""
        log: UUID = request.organization.pk  # type: ignore[attr-defined]
        return log

    @contextmanager
    def inside(self, log: UUID) -> Iterator[None]:
        """Open the log's scope for a change; in a tenant's console it is open."""
        yield

    def address(self, name: str, log: UUID, *arguments: Any) -> str:
        """Return the address of a page."""
        return reverse(f"{self.site.name}:{name}", args=arguments)

    def about_logs(self, request: HttpRequest, log: UUID) -> dict[str, Any]:
        """Return what stands beside; nothing in a tenant's console."""
        return {}

    # ------------------------------------------------------------------------------------------------

    def _changed(self, request: HttpRequest, log: UUID, form: RetentionForm) -> bool:
        try:
            with self.inside(log):
                change = change_retention(
                    organization_id=log, months=form.cleaned_data["months"], actor=actor_of(request)
                )
        except DomainError as error:
            form.refuse(error)
            return False
        if change.is_announced_only:
            messages.success(request, f"It counts from {change.effective_at:%-d %B %Y} on. The owners get a mail.")
        else:
            messages.success(request, "It counts from now on.")
        return True

    def _preview(self, request: HttpRequest, log: UUID, chosen: PersonForm) -> Preview | None:
        try:
            with self.inside(log):
                return preview_erasure(
                    organization_id=log, person=chosen.cleaned_data["person"], actor=actor_of(request)
                )
        except DomainError as error:
            chosen.refuse(error)
            return None

    def _found(self, model: Any, log: UUID, pk: Any) -> Any:
        row = model.objects.filter(organization_id=log, pk=pk).first()
        if row is None:
            raise Http404("There is nothing like that here.")
        return row

    def _asked(self, request: HttpRequest, log: UUID, form: HoldForm, context: dict[str, Any]) -> HttpResponse:
        context |= {
            "form": form,
            "breadcrumbs": self._crumbs(log),
            "back_url": self.address("audit_retention", log),
            **self.about_logs(request, log),
        }
        return self.site.render(request, "audit/hold.html", context, status=_REFUSED if form.errors else 200)

    def _crumbs(self, log: UUID) -> list[dict[str, str]]:
        return [
            {"title": "Audit log", "url": reverse(f"{self.site.name}:audit_log")},
            {"title": "Retention and holds", "url": self.address("audit_retention", log)},
        ]


class OperatorRetentionPages(RetentionPages):
    """The same of every log, the installation's first."""

    across = True

    def demand(self, request: HttpRequest) -> None:
        """Let operators through; changes take a fresh sign-in."""
        if request.method == "GET":
            actor_of(request).require_fresh_sign_in()

    def log(self, request: HttpRequest) -> UUID:
        """Return the log that the address names, by id or identifier; the installation's when it names none.

        Raises:
            Http404: it names no log.
        """
        text = (request.POST.get("log") or request.GET.get("log") or "").strip()
        try:
            return UUID(text) if text else INSTALLATION
        except ValueError:
            found = directory().find_organization(text)
            if found is None:
                raise Http404("There is no such log.") from None
            return found

    @contextmanager
    def inside(self, log: UUID) -> Iterator[None]:
        """Open the log's scope for a change."""
        with tenant_scope(log):
            yield

    def address(self, name: str, log: UUID, *arguments: Any) -> str:
        """Return the address of a page about the same log."""
        return f"{super().address(name, log, *arguments)}{f'?log={log}' if log != INSTALLATION else ''}"

    def about_logs(self, request: HttpRequest, log: UUID) -> dict[str, Any]:
        """Return whose log it is, and the way to another."""
        name = "Installation" if log == INSTALLATION else directory().organizations([log]).get(log, str(log))
        return {"subtitle": name, "across": True, "log_name": name, "log_id": log}
