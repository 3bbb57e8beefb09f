"""Alert rules by API: how each is set, change, mute, set back, dry run."""

from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import listing, operation
from api.problems import not_found
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from audit.alerts.dry_run import DryRun
from audit.alerts.models import EMAIL
from audit.alerts.registry import RULES
from audit.alerts.rules import Rule
from audit.alerts.tuning import Tuning, tunings
from audit.models import Severity
from audit.querysets import ALERTS_MANAGE, READ
from audit.services.alert_rules import mute_rule, reset_rule, try_rule, tuning_in, update_rule

from .alerts import EXAMPLE as ALERT_EXAMPLE
from .alerts import TAG, AlertAnswer

_CHANNELS = f'"{EMAIL}" and ids of channels; null: what the rule says of itself.'
_THRESHOLD = "What it takes; what that counts says `counts`. null: the default."
_WINDOW = "Within how many minutes; only where `has_window`. null: the default."


class AlertRuleAnswer(Answer):
    """A rule, and how it is set here."""

    id = serializers.CharField(source="key", help_text="Its name, for ever.")
    title = serializers.CharField(source="rule.title")
    what = serializers.CharField(source="rule.what", help_text="When it raises an alert.")
    why = serializers.CharField(source="rule.why", help_text="What it may mean, and what to do then.")
    severity = serializers.ChoiceField(source="rule.severity", choices=Severity.values)
    is_active = serializers.BooleanField()
    threshold = serializers.IntegerField()
    counts = serializers.CharField(source="rule.counts", help_text='What the threshold counts; "": every single event.')
    window_minutes = serializers.SerializerMethodField(help_text="Within how many minutes.")
    has_window = serializers.BooleanField(source="rule.kind.has_window", help_text="Whether the window can be chosen.")
    channels = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text=_CHANNELS)
    muted_until = serializers.DateTimeField(allow_null=True)
    is_changed = serializers.BooleanField(help_text="Whether anything was changed here.")
    missing = serializers.SerializerMethodField(help_text='What has to be done before it finds anything; "": nothing.')

    def get_window_minutes(self, tuning: Tuning) -> int:
        """Return the window in minutes."""
        return round(tuning.window.total_seconds() / 60)

    def get_missing(self, tuning: Tuning) -> str:
        """Return what has to be done first."""
        return tuning.rule.missing()


class AlertRuleChange(Change):
    """What is left out stays as it is."""

    is_active = serializers.BooleanField(help_text="Whether it watches.")
    threshold = serializers.IntegerField(min_value=1, allow_null=True, help_text=_THRESHOLD)
    window_minutes = serializers.IntegerField(min_value=1, allow_null=True, help_text=_WINDOW)
    channels = serializers.ListField(
        child=serializers.CharField(max_length=36), allow_null=True, max_length=50, help_text=_CHANNELS
    )


class Muting(Body):
    """For how long nobody is told."""

    until = serializers.DateTimeField(allow_null=True, help_text="At most 30 days away; null: people are told again.")


class Trial(Body):
    """How the rule is tried, instead of how it is set."""

    threshold = serializers.IntegerField(min_value=1, required=False)
    window_minutes = serializers.IntegerField(min_value=1, required=False)


class TrialAnswer(Answer):
    """What a rule would have raised in the last 30 days; nothing was stored."""

    count = serializers.IntegerField(help_text="How many alerts.")
    alerts = AlertAnswer(many=True, help_text="The newest 50 of them.")
    events = serializers.IntegerField(help_text="How many events were looked at.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(help_text="Up to when, should there have been too many events.")
    is_complete = serializers.BooleanField()


_RULE = RULES["sign_in_burst"]
EXAMPLE: dict[str, Any] = {
    "id": _RULE.key,
    "title": _RULE.title,
    "what": _RULE.what,
    "why": _RULE.why,
    "severity": "medium",
    "is_active": True,
    "threshold": 10,
    "counts": _RULE.counts,
    "window_minutes": 10,
    "has_window": True,
    "channels": None,
    "muted_until": None,
    "is_changed": False,
    "missing": "",
}


class _RuleView(OrganizationView):
    """An endpoint of rules."""

    tag = TAG

    def rule(self, key: str) -> Rule:
        """Return a rule.

        Raises:
            Problem: 404, there is none of that name.
        """
        if key not in RULES:
            raise not_found()
        return RULES[key]


class AlertRules(_RuleView):
    """Everything that is watched."""

    @listing(
        "listAlertRules",
        "List alert rules",
        permission=READ,
        response=AlertRuleAnswer,
        ordering={"id": "key"},
        default_ordering="id",
        example=EXAMPLE,
    )
    def get(self) -> list[Tuning]:
        """Each with how it is set here: the defaults, unless somebody changed it."""
        return list(tunings(self.organization.pk).values())


class OneAlertRule(_RuleView):
    """One rule."""

    @operation("getAlertRule", "Return an alert rule", permission=READ, response=AlertRuleAnswer, example=EXAMPLE)
    def get(self, alert_rule: str) -> Tuning:
        """With how it is set here."""
        return tuning_in(self.organization.pk, self.rule(alert_rule))

    @operation(
        "updateAlertRule",
        "Change an alert rule",
        permission=ALERTS_MANAGE,
        request=AlertRuleChange,
        response=AlertRuleAnswer,
        example=EXAMPLE | {"threshold": 5, "is_changed": True},
        request_example={"threshold": 5},
    )
    def patch(self, alert_rule: str) -> Tuning:
        """What happens from now on follows it."""
        rule = self.rule(alert_rule)
        self.hold_to_condition(tuning_in(self.organization.pk, rule))
        return update_rule(organization_id=self.organization.pk, rule=rule, actor=self.actor, **self.data)


class AlertRuleMuting(_RuleView):
    """A rule that tells nobody for a time."""

    @operation(
        "muteAlertRule",
        "Mute an alert rule",
        permission=ALERTS_MANAGE,
        request=Muting,
        response=AlertRuleAnswer,
        example=EXAMPLE | {"muted_until": "2026-01-06T09:00:00Z", "is_changed": True},
        request_example={"until": None},
    )
    def post(self, alert_rule: str) -> Tuning:
        """What it finds is kept, muted."""
        return mute_rule(
            organization_id=self.organization.pk,
            rule=self.rule(alert_rule),
            until=self.data["until"],
            actor=self.actor,
        )


class AlertRuleReset(_RuleView):
    """A rule as it was at the beginning."""

    @operation(
        "resetAlertRule",
        "Set an alert rule back to its defaults",
        permission=ALERTS_MANAGE,
        response=AlertRuleAnswer,
        example=EXAMPLE,
    )
    def post(self, alert_rule: str) -> Tuning:
        """It is muted no more."""
        return reset_rule(organization_id=self.organization.pk, rule=self.rule(alert_rule), actor=self.actor)


class AlertRuleTrial(_RuleView):
    """What a rule would have raised."""

    @operation(
        "tryAlertRule",
        "Try an alert rule over the last 30 days",
        permission=READ,
        request=Trial,
        response=TrialAnswer,
        problems=[HTTPStatus.UNPROCESSABLE_ENTITY],
        example={
            "count": 1,
            "alerts": [ALERT_EXAMPLE],
            "events": 233,
            "since": "2025-12-06T09:00:00Z",
            "until": "2026-01-05T09:00:00Z",
            "is_complete": True,
        },
        request_example={"threshold": 5},
    )
    def post(self, alert_rule: str) -> DryRun:
        """Nothing is stored and nobody is told. It stops after 100,000 events or eight seconds, and says so."""
        return try_rule(organization_id=self.organization.pk, rule=self.rule(alert_rule), actor=self.actor, **self.data)
