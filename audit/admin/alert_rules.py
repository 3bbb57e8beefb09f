"""Alert rules in plain words: the list, one rule with its settings, muting, a dry run."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from audit.alert_forms import MUTINGS, MuteForm, RuleForm
from audit.alerts.registry import RULES
from audit.alerts.rules import Kind, Rule
from audit.alerts.tuning import Tuning, tunings
from audit.models import AlertChannel, AlertState
from audit.services.alert_rules import mute_rule, reset_rule, try_rule, tuning_in, update_rule
from console.access import actor_of
from isolation.exceptions import DomainError

from .alerts import AlertBase

_REFUSED = 422
_SUMMARIES = {
    Kind.NEW: "Not seen for {:,} days",
    Kind.SILENCE: "{:,} days of silence",
    Kind.TRAVEL: "More than {:,} km/h",
}


class AlertRulePages(AlertBase):
    """The rules of one log."""

    def add_pages(self) -> None:
        """Add the pages to the site."""
        self.add("audit/alert-rules/", "alert_rules", "Alert rules", self.show_list)
        self.add("audit/alert-rules/<slug:key>/", "alert_rule", "Alert rule", self.show_rule)

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show every rule and how it is set."""
        with self.opened():
            settings = tunings(self.log(request))
        now = timezone.now()
        rows = [
            {
                "rule": tuning.rule,
                "tuning": tuning,
                "summary": summary_of(tuning),
                "is_muted": tuning.is_muted_at(now),
                "missing": tuning.rule.missing(),
                "url": self.url("alert_rule", tuning.rule.key),
            }
            for tuning in settings.values()
        ]
        context = {
            "title": "Alert rules",
            "breadcrumbs": self.crumbs(),
            "rows": rows,
            "channels_url": self.url("alert_channels"),
        }
        return self.site.render(request, "audit/alerts/rules.html", context)

    def show_rule(self, request: HttpRequest, key: str) -> HttpResponse:
        """Show a rule; on POST try it, change it, mute it, or set it back.

        Raises:
            Http404: there is no such rule.
        """
        rule = RULES.get(key)
        if rule is None:
            raise Http404("There is no such rule.")
        editable = self.may_manage(request)
        if editable and "try" not in request.POST:
            self.demand(request)
        with self.opened():
            tuning = tuning_in(self.log(request), rule)
            channels = list(AlertChannel.objects.all())
            bound = request.method == "POST" and bool({"save", "try"} & request.POST.keys())
            form = RuleForm(request.POST if bound else None, tuning=tuning, channels=channels, editable=editable)
            context: dict[str, Any] = {}
            if request.method == "POST":
                try:
                    done = self._act(request, rule, form, context)
                except DomainError as error:
                    form.refuse(error) if bound else messages.error(request, error.message)
                else:
                    if done:
                        messages.success(request, done)
                        return HttpResponseRedirect(self.url("alert_rule", key))
        context |= {
            "title": rule.title,
            "breadcrumbs": self.crumbs(("Alert rules", self.url("alert_rules"))),
            "rule": rule,
            "tuning": tuning,
            "summary": summary_of(tuning),
            "is_muted": tuning.is_muted_at(timezone.now()),
            "missing": rule.missing(),
            "form": form,
            "mute_form": MuteForm(),
            "editable": editable,
            "alerts_url": f"{self.url('alerts')}?state=all&rule={key}",
            "channels_url": self.url("alert_channels"),
        }
        status = _REFUSED if form.is_bound and form.errors else 200
        return self.site.render(request, "audit/alerts/rule.html", context, status=status)

    def _act(self, request: HttpRequest, rule: Rule, form: RuleForm, context: dict[str, Any]) -> str:
        """Do what a button asks for; return what to tell, "" to stay on the page.

        Raises:
            DomainError: it is refused.
        """
        log, actor = self.log(request), actor_of(request)
        if "try" in request.POST:
            # Without the right to change it the fields are locked, and the rule is tried as it is.
            values = form.tried() if form.is_valid() else None
            if values is not None:
                found = try_rule(organization_id=log, rule=rule, actor=actor, **values)
                context |= {"found": found, "muted": AlertState.MUTED}
            return ""
        if "save" in request.POST:
            if not form.is_valid():
                return ""
            update_rule(organization_id=log, rule=rule, actor=actor, **form.values())
            return "The rule was changed. What happens from now on follows it."
        if "unmute" in request.POST:
            mute_rule(organization_id=log, rule=rule, until=None, actor=actor)
            return "The rule tells people again."
        if "reset" in request.POST:
            reset_rule(organization_id=log, rule=rule, actor=actor)
            return "The rule is as it was at the beginning."
        muting = MuteForm(request.POST)
        if not muting.is_valid():
            raise DomainError("Choose for how long.", field="span", code="invalid")
        until = timezone.now() + MUTINGS[muting.cleaned_data["span"]][1]
        mute_rule(organization_id=log, rule=rule, until=until, actor=actor)
        return f"The rule tells nobody until {until:%Y-%m-%d %H:%M} UTC. What it finds is kept, muted."


class OperatorAlertRulePages(AlertRulePages):
    """The rules of the installation's own log, for operators."""

    is_installation = True


def summary_of(tuning: Tuning) -> str:
    """Return in words when a rule raises an alert."""
    rule = tuning.rule
    if not rule.counts:
        return "Each time"
    if not rule.kind.has_window:
        return _SUMMARIES[rule.kind].format(tuning.threshold)
    minutes = round(tuning.window.total_seconds() / 60)
    span = f"{minutes} minute{'s' if minutes != 1 else ''}"
    if minutes % 60 == 0:
        span = f"{minutes // 60} hours" if minutes > 60 else "an hour"  # noqa: PLR2004 - one hour
    return f"{tuning.threshold:,} {rule.counts} within {span}"
