"""SIEM sinks: list, add, health, settings, and what people do to delivery."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers

from audit.masking.selection import in_words
from audit.models import DeadLetter, DeadLetterState, Sink, SinkCursor, SinkHour
from audit.querysets import EXPORT, READ_RETENTION, SINKS_MANAGE, SINKS_READ
from audit.services.sink_delivery import count_replayed, replay_sink, test_sink, try_sink_now
from audit.services.sinks import create_sink, delete_sink, rotate_sink_secret, set_sink_active, update_sink
from audit.sink_forms import FROM_BEGINNING, START, ReplayForm, SinkForm
from audit.sinks.base import Destination
from audit.sinks.checkpoints import sends_checkpoints
from audit.sinks.health import health_of, severity, standing_of
from audit.sinks.missed import taken_soon
from audit.sinks.registry import DESTINATIONS
from console.access import actor_of, can
from console.confirm import ConfirmForm, show_confirmation
from console.lists import capped_count
from console.sites import ConsoleSite
from isolation.actor import Actor
from isolation.exceptions import DomainError
from vault.exceptions import VaultError

from .redaction import RedactionPages
from .sparkline import first_hour, sparkline_of

_REFUSED = 422
_HOURS_SHOWN = 12
_LOGS_SHOWN = 100


class SinkPages(RedactionPages):
    """The sinks of the current organization."""

    description: ClassVar[str] = "Deliver every event of the audit log to your SIEM, and see that it arrives."
    intro: ClassVar[str] = "Every sealed event of your audit log is delivered there, in order, at least once."
    position: ClassVar[int] = 20
    refresh_seconds: ClassVar[int] = 3
    """How often a page asks again while something moves."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self) -> None:
        """Add the pages to the site."""
        self.site.page(
            "sinks/",
            name="sinks",
            title="SIEM sinks",
            permission=SINKS_READ,
            menu=("Compliance", self.position),
            icon="output",
            description=self.description,
        )(self.show_list)
        self._page("new/", "sink_new", "Add a sink", SINKS_MANAGE, self.choose_kind)
        self._page("new/<slug:kind>/", "sink_add", "Add a sink", SINKS_MANAGE, self.add_sink)
        self._page("<uuid:pk>/", "sink", "Sink", SINKS_READ, self.show_sink)
        self._page("<uuid:pk>/state/", "sink_state", "State", SINKS_READ, self.show_state)
        self._page("<uuid:pk>/change/", "sink_change", "Change a sink", SINKS_MANAGE, self.change_sink)
        self._page("<uuid:pk>/replay/", "sink_replay", "Send again", SINKS_MANAGE, self.replay)
        self._page("<uuid:pk>/secret/", "sink_secret", "Change the signing secret", SINKS_MANAGE, self.rotate)
        self._page("<uuid:pk>/remove/", "sink_remove", "Remove a sink", SINKS_MANAGE, self.remove)
        for verb, act in self._acts().items():
            self._page(f"<uuid:pk>/{verb}/", f"sink_{verb}", verb.capitalize(), SINKS_MANAGE, act)
        self.add_letter_pages()
        self.add_redaction_pages(self._page)

    # What differs on the operator console ----------------------------------------------------------

    def opened(self, request: HttpRequest) -> AbstractContextManager[None]:
        """Open the scope of the sinks; a tenant's is open already."""
        return nullcontext()

    def owner_id(self, request: HttpRequest) -> UUID:
        """Return whose sinks these are."""
        pk: UUID = request.organization.pk  # type: ignore[attr-defined]
        return pk

    def names_of(self, logs: Sequence[UUID]) -> dict[UUID, str]:
        """Return the names of logs, outside of the scope of `opened`; a tenant has one log only."""
        return {}

    def receipts_url(self, log: UUID) -> str:
        """Return where the receipts of a log are."""
        return f"{self.url('audit_retention')}#receipts-title"

    def ask_early(self, request: HttpRequest) -> None:
        """Ask for a fresh sign-in before a form is filled in; the permission asks tenants already."""

    # List and add -----------------------------------------------------------------------------------

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show every sink with how it stands."""
        with self.opened(request):
            recent = Prefetch("hours", SinkHour.objects.filter(hour__gte=first_hour()), to_attr="recent")
            sinks = list(Sink.objects.prefetch_related("cursors", recent))
            for sink in sinks:
                sink.health = health_of(sink)
                sink.sparkline = sparkline_of(sink.recent)
                sink.url = self.url("sink", sink.pk)
                sink.label = label_of(sink)
        context = {
            "title": "SIEM sinks",
            "intro": self.intro,
            "sinks": sinks,
            "add_url": self.url("sink_new") if can(request, SINKS_MANAGE) else "",
            "redaction_url": self.url("sinks_redaction") if can(request, SINKS_MANAGE) else "",
        }
        return self.site.render(request, "audit/sinks/list.html", context)

    def choose_kind(self, request: HttpRequest) -> HttpResponse:
        """Show what a sink can be, and what has to be installed first."""
        kinds = [
            {**about(each), "missing": each.missing(), "url": self.url("sink_add", each.kind)} for each in self.kinds()
        ]
        kinds.sort(key=lambda each: bool(each["missing"]))
        context = {"title": "Add a sink", "breadcrumbs": self.crumbs(), "kinds": kinds, "back_url": self.url("sinks")}
        return self.site.render(request, "audit/sinks/kinds.html", context)

    def kinds(self) -> list[type[Destination]]:
        """Return the destinations that may be chosen here."""
        return [each for each in DESTINATIONS.values() if not each.for_operators]

    def add_sink(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Ask what the destination wants to be told; on POST add the sink and show the secret that was made.

        Raises:
            Http404: there is no such destination here.
        """
        receiver = next((each for each in self.kinds() if each.kind == kind), None)
        if receiver is None:
            raise Http404("There is no such destination here.")
        form = SinkForm(request.POST if request.method == "POST" else None, receiver=receiver)
        if request.method == "POST" and form.is_valid():
            try:
                with self.opened(request):
                    made = create_sink(
                        organization_id=self.owner_id(request),
                        kind=kind,
                        options=form.options(),
                        actor=actor_of(request),
                        from_beginning=form.cleaned_data[START] == FROM_BEGINNING,
                        **form.values(),
                    )
            except DomainError as error:
                form.refuse(error)
            else:
                if made.secret:
                    return self._show_secret(request, made.sink, made.secret, "The sink was added")
                messages.success(request, f"The sink {made.sink} was added. Send a test event to see that it arrives.")
                return HttpResponseRedirect(self.url("sink", made.sink.pk))
        crumbs = [*self.crumbs(), {"title": "Add a sink", "url": self.url("sink_new")}]
        context = {
            "title": receiver.label,
            "breadcrumbs": crumbs,
            "receiver": about(receiver),
            "missing": receiver.missing(),
            "back_url": self.url("sink_new"),
        }
        return self._form_page(request, form, context)

    # One sink ---------------------------------------------------------------------------------------

    def show_sink(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show how a sink stands, what it was told, and the buttons.

        Raises:
            Http404: there is none.
        """
        with self.opened(request):
            sink = self.find(pk)
            hours = list(SinkHour.objects.filter(sink=sink, hour__gte=first_hour()))
            open_letters, many = capped_count(DeadLetter.objects.filter(sink=sink, state=DeadLetterState.OPEN))
            context = {
                **self._state(request, sink),
                "hours": [hour for hour in hours if hour.delivered or hour.refused or hour.failures][:_HOURS_SHOWN],
                "sparkline": sparkline_of(hours),
                "open_letters": open_letters,
                "many_letters": many,
                "has_letters": open_letters or DeadLetter.objects.filter(sink=sink).exists(),
                "settings": settings_of(sink),
                "public_key": public_key_of(sink),
            }
        receiver = DESTINATIONS.get(sink.kind)
        context |= {
            "title": sink.name,
            "breadcrumbs": self.crumbs(),
            "receiver": about(receiver) if receiver else None,
            "label": label_of(sink),
            "may_change": can(request, SINKS_MANAGE),
            "may_preview": can(request, EXPORT),
            "rotates": receiver is not None and bool(context["public_key"]),
            "urls": self.urls(sink),
            "logs": self._logs(sink, context["cursors"]),
        }
        return self.site.render(request, "audit/sinks/sink.html", context)

    def show_state(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Send the part of the page that changes by itself.

        Raises:
            Http404: there is no such sink.
        """
        with self.opened(request):
            context = self._state(request, self.find(pk))
        response = render(request, "audit/sinks/includes/state.html", context)
        add_never_cache_headers(response)
        return response

    def change_sink(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a sink's settings; on POST change them.

        Raises:
            Http404: there is none, or this version does not know its destination.
        """
        with self.opened(request):
            sink = self.find(pk)
            receiver = DESTINATIONS.get(sink.kind)
            if receiver is None:
                raise Http404("This version does not know its destination.")
            form = SinkForm(request.POST if request.method == "POST" else None, receiver=receiver, sink=sink)
            if request.method == "POST" and form.is_valid():
                try:
                    update_sink(sink=sink, actor=actor_of(request), options=form.options(), **form.values())
                except DomainError as error:
                    form.refuse(error)
                else:
                    messages.success(request, "The sink was changed. What is delivered from now on follows.")
                    return HttpResponseRedirect(self.url("sink", pk))
        context = {
            "title": "Change",
            "breadcrumbs": self.crumbs(sink),
            "subtitle": sink.name,
            "receiver": about(receiver),
            "back_url": self.url("sink", pk),
            "sink": sink,
        }
        return self._form_page(request, form, context)

    def replay(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask from where events are sent again, say how many these are, and do it.

        Raises:
            Http404: there is no such sink.
        """
        with self.opened(request):
            sink = self.find(pk)
            cursors = list(SinkCursor.objects.filter(sink=sink))
        logs = self.named_logs([cursor.log for cursor in cursors]) if sink.receives_every_log else []
        form = ReplayForm(request.POST if request.method == "POST" else None, logs=logs)
        count = None
        if request.method == "POST" and form.is_valid():
            try:
                with self.opened(request):
                    if "confirmed" in request.POST:
                        count = replay_sink(sink=sink, actor=actor_of(request), **form.wanted())
                        messages.success(request, f"{count:,} events are sent again.")
                        return HttpResponseRedirect(self.url("sink", pk))
                    count = count_replayed(sink=sink, **form.wanted())
            except DomainError as error:
                form.refuse(error)
        context = {
            "title": "Send again",
            "breadcrumbs": self.crumbs(sink),
            "subtitle": sink.name,
            "form": form,
            "count": count,
            "back_url": self.url("sink", pk),
        }
        status = _REFUSED if form.is_bound and form.errors else 200
        return self.site.render(request, "audit/sinks/replay.html", context, status=status)

    def rotate(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask whether a new signing secret is wanted; on POST make it and show it.

        Raises:
            Http404: there is no such sink.
        """
        form = ConfirmForm.build(request)
        with self.opened(request):
            sink = self.find(pk)
            if request.method == "POST" and form.is_valid():
                try:
                    secret = rotate_sink_secret(sink=sink, actor=actor_of(request))
                except DomainError as error:
                    form.add_error(None, error.message)
                else:
                    return self._show_secret(request, sink, secret, "The signing secret was changed")
        return show_confirmation(
            self.site,
            request,
            title=f"Change the signing secret of {sink}",
            form=form,
            cancel_url=self.url("sink", pk),
            message="A new secret is made and shown once. The old one signs as well for a day: by then the receiver "
            "has to know the new one.",
            submit="Make a new secret",
            danger=False,
        )

    def remove(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask for the sink's name; on POST remove it.

        Raises:
            Http404: there is no such sink.
        """
        with self.opened(request):
            sink = self.find(pk)
            form = ConfirmForm.build(request, phrase=sink.name)
            if request.method == "POST" and form.is_valid():
                delete_sink(sink=sink, actor=actor_of(request))
                messages.success(request, f"The sink {sink} was removed.")
                return HttpResponseRedirect(self.url("sinks"))
        return show_confirmation(
            self.site,
            request,
            title=f"Remove {sink}",
            form=form,
            cancel_url=self.url("sink", pk),
            message="Nothing is delivered there any more, and how far it was is forgotten.",
            consequences=[
                "What the receiver has, it keeps. The audit log keeps everything.",
                "Its list of refused events goes; the numbers of those that were dismissed stand in the audit log.",
                "To send nothing for a while, pause it instead.",
            ],
            submit="Remove",
        )

    # Buttons ----------------------------------------------------------------------------------------

    def _acts(self) -> dict[str, Callable[..., HttpResponse]]:
        return {
            "test": self._act(self._test),
            "pause": self._act(lambda sink, actor: self._switch(sink, actor, active=False)),
            "resume": self._act(lambda sink, actor: self._switch(sink, actor, active=True)),
            "try": self._act(self._try),
        }

    def _act(self, work: Callable[[Sink, Actor], tuple[int, str]]) -> Callable[..., HttpResponse]:
        """Return the view of a button: it works by POST, tells what came of it, and leads back to the sink."""

        def view(request: HttpRequest, pk: UUID) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            with self.opened(request):
                sink = self.find(pk)
                try:
                    level, text = work(sink, actor_of(request))
                except DomainError as error:
                    level, text = messages.ERROR, error.message
            messages.add_message(request, level, text)
            return HttpResponseRedirect(self.url("sink", pk))

        return view

    def _test(self, sink: Sink, actor: Actor) -> tuple[int, str]:
        answer = test_sink(sink=sink, actor=actor)
        if answer:
            return messages.ERROR, f"The test event was not accepted. {answer}"
        return messages.SUCCESS, "The receiver accepted the test event. Look for the action sink.tested there."

    def _switch(self, sink: Sink, actor: Actor, *, active: bool) -> tuple[int, str]:
        set_sink_active(sink=sink, is_active=active, actor=actor)
        if active:
            return messages.SUCCESS, "Delivery goes on where it stopped."
        return messages.SUCCESS, "Delivery is paused. Nothing is lost meanwhile."

    def _try(self, sink: Sink, actor: Actor) -> tuple[int, str]:
        try_sink_now(sink=sink, actor=actor)
        return messages.SUCCESS, "A worker tries it within seconds."

    # ---------------------------------------------------------------------------------------------

    def _page(self, route: str, name: str, title: str, permission: str, view: Callable[..., Any]) -> None:
        def fresh(request: HttpRequest, **arguments: Any) -> Any:
            if permission == SINKS_MANAGE and request.method == "GET":
                self.ask_early(request)
            return view(request, **arguments)

        self.site.page(f"sinks/{route}", name=name, title=title, permission=permission)(fresh)

    def _state(self, request: HttpRequest, sink: Sink) -> dict[str, Any]:
        cursors = list(SinkCursor.objects.filter(sink=sink))
        health = health_of(sink, cursors)
        seen = health.missed_log is not None and actor_of(request).can(READ_RETENTION)
        return {
            "sink": sink,
            "cursors": cursors,
            "health": health,
            "taken_at": taken_soon(cursors),
            "receipts_url": self.receipts_url(health.missed_log) if seen and health.missed_log else "",
            "state_url": self.url("sink_state", sink.pk),
            "refresh_seconds": self.refresh_seconds,
        }

    def _logs(self, sink: Sink, cursors: list[Any]) -> list[Any]:
        """Return the logs of a sink that receives several, those that need somebody first."""
        if not sink.receives_every_log:
            return []
        rows: list[Any] = sorted(cursors, key=lambda each: severity(sink, each), reverse=True)[:_LOGS_SHOWN]
        names = dict(self.named_logs([row.log for row in rows]))
        for row in rows:
            row.name = names[row.log]
            row.health = health_of(sink, [row])
            row.standing = standing_of(sink, row)
        return rows

    def _form_page(self, request: HttpRequest, form: SinkForm, context: dict[str, Any]) -> HttpResponse:
        status = _REFUSED if form.is_bound else 200
        return self.site.render(request, "audit/sinks/form.html", {"form": form, **context}, status=status)

    def _show_secret(self, request: HttpRequest, sink: Sink, secret: str, title: str) -> HttpResponse:
        with self.opened(request):
            public_key = public_key_of(sink)
        context = {
            "title": title,
            "sink": sink,
            "secret": secret,
            "public_key": public_key,
            "done_url": self.url("sink", sink.pk),
        }
        response = self.site.render(request, "audit/sinks/secret.html", context)
        add_never_cache_headers(response)
        return response


def about(receiver: type[Destination]) -> dict[str, Any]:
    """Return what a page says of a destination; a template would call the class."""
    return {name: getattr(receiver, name) for name in ("kind", "label", "summary", "steps", "guarantee")}


def label_of(sink: Sink) -> str:
    """Return what its destination is called."""
    receiver = DESTINATIONS.get(sink.kind)
    return receiver.label if receiver else sink.kind


def public_key_of(sink: Sink) -> str:
    """Return what verifies a sink's signatures; "" without one, or when its secrets cannot be read now."""
    receiver = DESTINATIONS.get(sink.kind)
    try:
        return receiver.public_key(sink.revealed()) if receiver else ""
    except VaultError:
        return ""


def settings_of(sink: Sink) -> list[tuple[str, Any]]:
    """Return (label, value) of what a sink was told, without secrets."""
    receiver = DESTINATIONS.get(sink.kind)
    told: list[tuple[str, Any]] = []
    for option in receiver.options if receiver else ():
        value = sink.options.get(option.name)
        if option.secret or value in {"", None}:
            continue
        told.append((option.label, dict(option.choices).get(str(value), value)))
    return [
        *told,
        ("Format", sink.get_format_display()),
        ("Only events that match", sink.query or "every event"),
        ("Fields", in_words(sink.sent_fields)),
        ("Withheld", _withheld(sink.redaction)),
        ("Proofs", "with each record" if sink.has_proofs else "none: the copy cannot be proven"),
        ("Checkpoints", "as records of their own" if sends_checkpoints(sink) else "none of their own"),
        (
            "Batches",
            f"up to {sink.batch_events:,} events or {sink.batch_bytes:,} bytes, after {sink.batch_seconds} s at most",
        ),
        ("Secrets", "stored, encrypted" if sink.secrets is not None else "none"),
        ("Added by", sink.created_by),
    ]


def _withheld(stored: Mapping[str, Any]) -> str:
    names = [*stored.get("fields", {}), *stored.get("detectors", {})]
    return ", ".join(name.replace("_", " ") for name in names) or "nothing besides what is withheld everywhere"
