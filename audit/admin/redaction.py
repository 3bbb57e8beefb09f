"""Redaction: what is withheld of events that leave, of an organization and of one sink."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from audit.masking.policies import policy_of
from audit.models import Sink
from audit.querysets import EXPORT, SINKS_MANAGE
from audit.redaction_forms import RedactionForm
from audit.services.redaction import set_redaction
from audit.services.sink_preview import preview_redaction
from audit.services.sinks import update_sink
from console.access import actor_of, can
from isolation.exceptions import DomainError

from .sink_letters import LetterPages

_REFUSED = 422


class RedactionPages(LetterPages):
    """Two forms that look alike: the organization's, and what one sink withholds besides."""

    def add_redaction_pages(self, add: Callable[..., None]) -> None:
        """Add the pages to the site.

        Args:
            add: takes route, name, title, permission and view.
        """
        add("redaction/", "sinks_redaction", "Redaction", SINKS_MANAGE, self.redact_all)
        add("<uuid:pk>/redaction/", "sink_redaction", "Redaction", SINKS_MANAGE, self.redact_sink)

    @abstractmethod
    def owner_id(self, request: HttpRequest) -> UUID:
        """Return whose sinks these are."""

    def redact_all(self, request: HttpRequest) -> HttpResponse:
        """Show what is withheld of every event that leaves; on POST change it, or try it on an event."""
        owner = self.owner_id(request)
        with self.opened(request):
            policy = policy_of(owner)
            stored = policy.rules if policy is not None else {}

        def save(rules: dict[str, Any]) -> None:
            set_redaction(organization_id=owner, rules=rules, actor=actor_of(request))
            messages.success(request, "The redaction was changed. What is delivered from now on follows.")

        context = {"title": "Redaction", "breadcrumbs": self.crumbs(), "back_url": self.url("sinks")}
        return self._redact(request, Sink(organization_id=owner), stored, save, context)

    def redact_sink(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what a sink withholds besides; on POST change it, or try it on an event.

        Raises:
            Http404: there is no such sink.
        """
        with self.opened(request):
            sink = self.find(pk)

        def save(rules: dict[str, Any]) -> None:
            update_sink(sink=sink, redaction=rules, actor=actor_of(request))
            messages.success(request, "The sink was changed. What is delivered from now on follows.")

        context = {
            "title": "Redaction",
            "breadcrumbs": self.crumbs(sink),
            "subtitle": sink.name,
            "sink": sink,
            "all_url": self.url("sinks_redaction"),
            "back_url": self.url("sink", pk),
        }
        return self._redact(request, sink, sink.redaction, save, context)

    def _redact(
        self,
        request: HttpRequest,
        sink: Sink,
        stored: Mapping[str, Any],
        save: Callable[[dict[str, Any]], None],
        context: dict[str, Any],
    ) -> HttpResponse:
        form = RedactionForm(request.POST if request.method == "POST" else None, rules=stored)
        tried = None
        if request.method == "POST" and form.is_valid():
            try:
                with self.opened(request):
                    if "preview" not in request.POST:
                        save(form.rules())
                        return HttpResponseRedirect(context["back_url"])
                    tried = preview_redaction(sink=sink, rules=form.rules(), actor=actor_of(request))
            except DomainError as error:
                form.refuse(error)
        context |= {
            "form": form,
            "tried": tried,
            "asked": "preview" in request.POST,
            "may_preview": can(request, EXPORT),
        }
        status = _REFUSED if form.is_bound and form.errors else 200
        return self.site.render(request, "audit/sinks/redaction.html", context, status=status)
