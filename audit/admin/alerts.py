"""Alerts: the list, one alert with its events, acknowledging."""

from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from audit.alert_forms import MUTINGS, AcknowledgeForm, MuteForm, chosen
from audit.alerts.registry import RULES
from audit.models import Alert, AlertNotice, AlertState, Event, Leaf
from audit.querysets import ALERTS_MANAGE, READ
from audit.services.alert_rules import mute_rule
from audit.services.alerts import acknowledge_alert, acknowledge_alerts
from console.access import actor_of, can, require
from console.keyset import CURSOR_VAR, KeysetPaginator
from console.sites import ConsoleSite
from isolation.actor import FRESH_FOR
from isolation.exceptions import DomainError
from isolation.scope import INSTALLATION, tenant_scope

PER_PAGE = 50
_REFUSED = 422
_COUNTED = 99
_EVENTS_SHOWN = 25
_STATES = {"": "Open", "acknowledged": "Acknowledged", "muted": "Muted", "all": "All"}


class AlertBase:
    """What the pages about alerts share: whose they are, addresses, the way back."""

    is_installation = False

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def opened(self) -> AbstractContextManager[None]:
        """Open the scope of the alerts; a tenant's is open already."""
        return tenant_scope(INSTALLATION) if self.is_installation else nullcontext()

    def log(self, request: HttpRequest) -> UUID:
        """Return whose alerts these are."""
        if self.is_installation:
            return INSTALLATION
        pk: UUID = request.organization.pk  # type: ignore[attr-defined]
        return pk

    def url(self, name: str, *arguments: Any) -> str:
        """Return the address of a page of this console."""
        return reverse(f"{self.site.name}:{name}", args=arguments)

    def crumbs(self, *more: tuple[str, str]) -> list[dict[str, str]]:
        """Return the way back to the list of alerts, and further steps: (title, address)."""
        steps = [("Alerts", self.url("alerts")), *more]
        return [{"title": title, "url": address} for title, address in steps]

    def may_manage(self, request: HttpRequest) -> bool:
        """Return whether the actor may acknowledge alerts and change rules."""
        return can(request, ALERTS_MANAGE)

    def demand(self, request: HttpRequest) -> None:
        """Refuse whoever may not change rules and channels, and ask early for a fresh sign-in.

        Raises:
            MissingPermission: without ``alerts:manage``.
            FreshSignInNeeded: there would be little time left to fill in a form.
        """
        require(request, ALERTS_MANAGE)
        if request.method == "GET":
            actor_of(request).require_fresh_sign_in(within=FRESH_FOR / 2)

    def add(self, route: str, name: str, title: str, view: Any) -> None:
        """Add a page that is reached through the others."""
        self.site.page(route, name=name, title=title, permission=READ)(view)


class AlertPages(AlertBase):
    """The alerts of one log."""

    def add_pages(self, *, description: str) -> None:
        """Add the pages to the site.

        Args:
            description: a sentence for the overview.
        """
        self.site.page(
            "audit/alerts/",
            name="alerts",
            title="Alerts",
            permission=READ,
            menu=("Compliance", 15),
            icon="notifications",
            description=description,
            covers=("audit/alert-rules/", "audit/alert-channels/"),
            badge=self.badge,
        )(self.show_list)
        self.add("audit/alerts/<uuid:pk>/", "alert", "Alert", self.show_alert)
        self.add("audit/alerts/<uuid:pk>/mute/", "alert_mute", "Mute", self.mute)

    def badge(self, request: HttpRequest) -> str:
        """Return how many alerts are open."""
        with self.opened():
            count = Alert.objects.filter(state=AlertState.OPEN)[: _COUNTED + 1].count()
        return f"{_COUNTED}+" if count > _COUNTED else str(count or "")

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show alerts, the newest first; on POST acknowledge those that are ticked."""
        if request.method == "POST":
            with self.opened():
                count = acknowledge_alerts(alerts=chosen(request.POST.getlist("alert")), actor=actor_of(request))
            messages.success(request, f"{count} alert{'s are' if count != 1 else ' is'} acknowledged.")
            return HttpResponseRedirect(request.get_full_path())
        state, rule = request.GET.get("state", ""), request.GET.get("rule", "")
        state, rule = (state if state in _STATES else ""), (rule if rule in RULES else "")
        with self.opened():
            rows = Alert.objects.all()
            if state != "all":
                rows = rows.filter(state=state or AlertState.OPEN)
            if rule:
                rows = rows.filter(rule=rule)
            page = KeysetPaginator(rows, time_field="raised_at", per_page=PER_PAGE).page(request.GET.get(CURSOR_VAR))
            is_empty = not page.rows and not Alert.objects.exists()
        for alert in page.rows:
            alert.url = self.url("alert", alert.pk)
        kept = "&".join(f"{name}={value}" for name, value in (("state", state), ("rule", rule)) if value)
        context = {
            "title": "Alerts",
            "alerts": page.rows,
            "is_empty": is_empty,
            "state": state,
            "states": [(name, label, f"?{'state=' + name if name else ''}") for name, label in _STATES.items()],
            "rule": RULES.get(rule),
            "newest_url": f"?{kept}",
            "newer_url": f"?{kept}&{CURSOR_VAR}={page.newer}" if page.newer else "",
            "older_url": f"?{kept}&{CURSOR_VAR}={page.older}" if page.older else "",
            "may_manage": self.may_manage(request),
            "rules_url": self.url("alert_rules"),
            "channels_url": self.url("alert_channels"),
        }
        return self.site.render(request, "audit/alerts/list.html", context)

    def show_alert(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show an alert with its events; on POST acknowledge it.

        Raises:
            Http404: there is none.
        """
        form = AcknowledgeForm(request.POST if request.method == "POST" else None)
        with self.opened():
            alert = self.find(pk)
            if request.method == "POST" and form.is_valid():
                try:
                    acknowledge_alert(alert=alert, actor=actor_of(request), note=form.cleaned_data["note"])
                except DomainError as error:
                    messages.error(request, error.message)
                else:
                    messages.success(request, "The alert is acknowledged. What happens from now on begins another one.")
                return HttpResponseRedirect(self.url("alert", pk))
            notices = list(AlertNotice.objects.filter(alert=alert).select_related("channel"))
        events = self.events_of(request, alert)
        rule = RULES.get(alert.rule)
        context = {
            "title": alert.title,
            "breadcrumbs": self.crumbs(),
            "alert": alert,
            "rule": rule,
            "rule_url": self.url("alert_rule", alert.rule) if rule else "",
            "events": events,
            "hidden": min(alert.count, len(alert.numbers)) - len(events),
            "across": False,
            "notices": notices,
            "form": form,
            "mute_form": MuteForm(),
            "mute_url": self.url("alert_mute", pk),
            "may_manage": self.may_manage(request),
        }
        status = _REFUSED if form.is_bound else 200
        return self.site.render(request, "audit/alerts/alert.html", context, status=status)

    def mute(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Mute the rule of an alert for a time, by POST.

        Raises:
            Http404: there is no such alert, or this version does not know its rule.
        """
        self.demand(request)
        form = MuteForm(request.POST)
        with self.opened():
            rule = RULES.get(self.find(pk).rule)
            if rule is None:
                raise Http404("This version does not know the rule.")
            if request.method == "POST" and form.is_valid():
                until = timezone.now() + MUTINGS[form.cleaned_data["span"]][1]
                mute_rule(organization_id=self.log(request), rule=rule, until=until, actor=actor_of(request))
                messages.success(request, f"“{rule.title}” tells nobody until {until:%Y-%m-%d %H:%M} UTC.")
        return HttpResponseRedirect(self.url("alert", pk))

    def find(self, pk: UUID) -> Alert:
        """Return an alert of the open scope.

        Raises:
            Http404: there is none.
        """
        found: Alert | None = Alert.objects.filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such alert here.")
        return found

    def events_of(self, request: HttpRequest, alert: Alert) -> list[Any]:
        """Return the first events of an alert, those that the actor may see."""
        numbers = alert.numbers[:_EVENTS_SHOWN]
        leaves = Leaf.objects.filter(organization_id=alert.organization_id, seq__in=numbers)
        found = dict(leaves.values_list("event_id", "event_time"))
        if not found:
            return []
        day = timedelta(days=1)
        events = Event.objects.visible_to(actor_of(request)).filter(
            pk__in=found, time__gte=min(found.values()) - day, time__lte=max(found.values()) + day
        )
        return list(events.order_by("time", "id"))


class OperatorAlertPages(AlertPages):
    """The alerts of the installation's own log, for operators."""

    is_installation = True
