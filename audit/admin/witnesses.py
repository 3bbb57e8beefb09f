"""Witnesses: which other installations cosign the logs of this one, and whose logs it cosigns; for operators."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from audit.cosigning.about import log_key, witness_key, witness_url
from audit.models import Cosigner, Cosigning, Verification, WitnessedLog
from audit.services.cosigning import add_cosigner, forget_log, remove_cosigner, witness_log
from audit.witness_forms import CosignerForm, WitnessedLogForm
from console.access import actor_of
from console.confirm import ConfirmForm, show_confirmation
from console.sites import ConsoleSite
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope

_REFUSED = 422
SHOWN = 200


class WitnessPages:
    """The page, and what is added to and taken from it."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self, *, menu: tuple[str, int], description: str) -> None:
        """Add the pages to the operators' site."""

        def add(route: str, name: str, title: str, view: Any, **more: Any) -> None:
            self.site.page(f"audit/witnesses/{route}", name=name, title=title, permission=None, **more)(view)

        add("", "audit_witnesses", "Witnesses", self.show, menu=menu, icon="handshake", description=description)
        add("add/", "audit_witness_add", "Add a witness", self.add)
        add("trust/", "audit_witness_trust", "Cosign a log", self.trust)
        add("<uuid:pk>/remove/", "audit_witness_remove", "Remove a witness", self.remove)
        add("logs/<uuid:pk>/forget/", "audit_witness_forget", "Cosign no more", self.forget)

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show both directions, and what others need to know of this installation."""
        logs = Verification.objects.count()  # one for each log; every checkpoint would take long
        standings = list(Cosigning.objects.all())
        with tenant_scope(INSTALLATION):
            cosigners = list(Cosigner.objects.all())
            witnessed = list(WitnessedLog.objects.prefetch_related("origins"))
            own = {"log_key": log_key(), "witness_key": witness_key(), "witness_url": witness_url()}
        for cosigner in cosigners:
            of_it = [each for each in standings if each.cosigner_id == cosigner.pk]
            cosigner.cosigned = sum(each.size > 0 and not each.refusal for each in of_it)
            cosigner.refused = sum(bool(each.refusal) for each in of_it)
            cosigner.failure = next((each.failure for each in of_it if each.failure), "")
            cosigner.asked_at = max((each.asked_at for each in of_it if each.asked_at), default=None)
            cosigner.remove_url = self._url("audit_witness_remove", cosigner.pk)
        for log in witnessed:
            log.seen = list(log.origins.all())[:SHOWN]
            log.forget_url = self._url("audit_witness_forget", log.pk)
        context = {
            "title": "Witnesses",
            "breadcrumbs": [{"title": "Audit log", "url": self._url("audit_log")}],
            "cosigners": cosigners,
            "witnessed": witnessed,
            "logs": logs,
            "add_url": self._url("audit_witness_add"),
            "trust_url": self._url("audit_witness_trust"),
            **own,
        }
        return self.site.render(request, "audit/witnesses.html", context)

    def add(self, request: HttpRequest) -> HttpResponse:
        """Ask who shall cosign; on POST add it."""
        lead = (
            "Another installation signs each new checkpoint of every log here, once it is proven that it continues the "
            "one before. First give its operators the key of this installation: it stands on the page before."
        )
        return self._asked(request, CosignerForm, add_cosigner, "is asked from now on.", "Add a witness", lead)

    def trust(self, request: HttpRequest) -> HttpResponse:
        """Ask whose logs are cosigned; on POST do it from now on."""
        lead = (
            "This installation remembers how long each log of another one is, and signs only what continues it. What "
            "contradicts itself is refused, and raises an alert here."
        )
        return self._asked(
            request, WitnessedLogForm, witness_log, "is cosigned from now on.", "Cosign another installation", lead
        )

    def remove(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask; on POST ask a witness no more.

        Raises:
            Http404: there is no such witness.
        """
        return self._removed(
            request,
            Cosigner,
            pk,
            lambda row: remove_cosigner(cosigner=row, actor=actor_of(request)),
            "It is asked no more. What it has cosigned stays, in the log and in packages.",
        )

    def forget(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask; on POST cosign a log no more.

        Raises:
            Http404: there is no such log.
        """
        return self._removed(
            request,
            WitnessedLog,
            pk,
            lambda row: forget_log(log=row, actor=actor_of(request)),
            "Its checkpoints are refused from now on, and how long its logs were is forgotten: added again, it could "
            "be cosigned with another past. When only its key changes, give the new key instead.",
        )

    def _asked(
        self, request: HttpRequest, kind: type[Any], save: Callable[..., Any], done: str, title: str, lead: str
    ) -> HttpResponse:
        form = kind(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                with tenant_scope(INSTALLATION):
                    row = save(actor=actor_of(request), **form.cleaned_data)
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, f"{row} {done}")
                return HttpResponseRedirect(self._url("audit_witnesses"))
        context = {
            "title": title,
            "lead": lead,
            "submit": title,
            "form": form,
            "back_url": self._url("audit_witnesses"),
            "breadcrumbs": self._crumbs(),
        }
        return self.site.render(request, "audit/hold.html", context, status=_REFUSED if form.errors else 200)

    def _removed(
        self, request: HttpRequest, model: Any, pk: UUID, work: Callable[[Any], None], message: str
    ) -> HttpResponse:
        form = ConfirmForm.build(request)
        with tenant_scope(INSTALLATION):
            row = model.objects.filter(pk=pk).first()
            if row is None:
                raise Http404("There is none here.")
            if request.method == "POST" and form.is_valid():
                work(row)
                messages.success(request, f"{row} was removed.")
                return HttpResponseRedirect(self._url("audit_witnesses"))
        return show_confirmation(
            self.site,
            request,
            title=f"Remove {row}",
            form=form,
            cancel_url=self._url("audit_witnesses"),
            message=message,
            submit="Remove",
        )

    def _crumbs(self) -> list[dict[str, str]]:
        return [
            {"title": "Audit log", "url": self._url("audit_log")},
            {"title": "Witnesses", "url": self._url("audit_witnesses")},
        ]

    def _url(self, name: str, *arguments: Any) -> str:
        return reverse(f"{self.site.name}:{name}", args=arguments)
