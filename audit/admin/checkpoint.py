"""The page with the latest checkpoint: the text to keep, how verification stands, keys and verifier to take away."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.urls import reverse

from audit import evidence
from audit.directory import directory
from audit.models import Event, SignedCheckpoint, Verification
from audit.notes import INSTALLATION
from audit.package import VERIFIER
from audit.querysets import READ
from console.access import actor_of, require
from console.sites import ConsoleSite
from isolation.exceptions import DomainError

from .deleted import without_closed_logs

AT_MOST = 200


class CheckpointPages:
    """Checkpoint, key history, verifier, and the proof of one event; of the current organization's log."""

    across = False

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self) -> None:
        """Add the pages to the site; they are reached from the audit log."""
        add = self.site.page
        add("audit/checkpoint/", name="audit_checkpoint", title="Checkpoint", permission=None)(self.show)
        add("audit/checkpoint/keys/", name="audit_keys", title="Keys", permission=None)(self.show_keys)
        add("audit/checkpoint/verifier/", name="audit_verifier", title="Verifier", permission=None)(self.send_verifier)
        add("audit/<uuid:event_id>/proof/", name="audit_proof", title="Proof", permission=None)(self.send_proof)

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show the latest checkpoint of a log.

        Raises:
            MissingPermission: the actor may not read the whole log.
            Http404: there is no such log.
        """
        require(request, READ)
        log = self.log(request)
        checkpoint, history = evidence.latest_checkpoint(log), evidence.signing_keys()
        key = next((each for each in history if checkpoint and each.number == checkpoint.key_number), None)
        context = {
            "title": "Checkpoint",
            "breadcrumbs": [{"title": "Audit log", "url": self._url("audit_log")}],
            "checkpoint": checkpoint,
            "verifier_key": checkpoint.verifier_key(key.public) if checkpoint and key else "",
            "key": key,
            "last_number": checkpoint.size - 1 if checkpoint else None,
            "standing": evidence.standing(log),
            "cosigned": evidence.cosigned(log),
            "keys_url": self._url("audit_keys"),
            "verifier_url": self._url("audit_verifier"),
            **self.about_logs(request, log),
        }
        return self.site.render(request, "audit/checkpoint.html", context)

    def show_keys(self, request: HttpRequest) -> HttpResponse:
        """Send the history of keys: signed notes, one after the other.

        Raises:
            MissingPermission: the actor may not read the whole log.
        """
        require(request, READ)
        text = "\n".join(key.statement for key in evidence.signing_keys())
        headers = {"Content-Disposition": 'attachment; filename="gatehouse-audit-keys.txt"'}
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)

    def send_verifier(self, request: HttpRequest) -> FileResponse:
        """Send the program that verifies without Gatehouse.

        Raises:
            MissingPermission: the actor may not read the whole log.
        """
        require(request, READ)
        return FileResponse(VERIFIER.open("rb"), as_attachment=True, content_type="text/x-python; charset=utf-8")

    def send_proof(self, request: HttpRequest, event_id: UUID) -> HttpResponse:
        """Send an event with the proof that it is in the log.

        Raises:
            Http404: there is no such event that the actor may see, or it is not sealed yet.
        """
        event = self.events(request).filter(pk=event_id).first()
        if event is None:
            raise Http404("There is no such event here.")
        try:
            text = evidence.evidence_file(evidence.inclusion(event))
        except DomainError as error:
            raise Http404(error.message) from error
        headers = {"Content-Disposition": f'attachment; filename="event-{event.pk}.json"'}
        return HttpResponse(text, content_type="application/json", headers=headers)

    # What differs on the operator console ----------------------------------------------------------

    def events(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the events that the actor may see."""
        found: QuerySet[Any] = Event.objects.visible_to(actor_of(request))
        return found

    def log(self, request: HttpRequest) -> UUID:
        """Return whose log is shown."""
        log: UUID = request.organization.pk  # type: ignore[attr-defined]
        return log

    def about_logs(self, request: HttpRequest, log: UUID) -> dict[str, Any]:
        """Return what stands beside the checkpoint; nothing in a tenant's console."""
        return {}

    def _url(self, name: str) -> str:
        return reverse(f"{self.site.name}:{name}")


class OperatorCheckpointPages(CheckpointPages):
    """The same of every log, the installation's first."""

    across = True

    def events(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the events of every log but those of deleted organizations that were not opened."""
        return without_closed_logs(request, super().events(request))

    def log(self, request: HttpRequest) -> UUID:
        """Return the log that the address names, the installation's when it names none.

        Raises:
            Http404: it names no log.
        """
        try:
            return UUID(request.GET.get("log") or str(INSTALLATION))
        except ValueError:
            raise Http404("There is no such log.") from None

    def about_logs(self, request: HttpRequest, log: UUID) -> dict[str, Any]:
        """Return every log with its state: those with problems first."""
        rows = list(Verification.objects.order_by("failing_since", "organization_id")[:AT_MOST])
        shown = {row.organization_id for row in rows}
        sizes = dict(
            SignedCheckpoint.objects.filter(organization_id__in=shown)
            .order_by("organization_id", "-size")
            .distinct("organization_id")
            .values_list("organization_id", "size")
        )
        names = directory().organizations(shown - {INSTALLATION})
        for row in rows:
            row.label = "Installation" if row.is_installation else names.get(row.organization_id, row.organization_id)
            row.sealed = sizes.get(row.organization_id, 0)
            row.url = f"{self._url('audit_checkpoint')}?log={row.organization_id}"
            row.shown = row.organization_id == log
        name = "Installation" if log == INSTALLATION else directory().organizations([log]).get(log, str(log))
        return {"logs": rows, "subtitle": name}
