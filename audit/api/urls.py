"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`

from . import alert_channels, alert_rules, alerts, checkpoints, events, saved_searches, sealed

PREFIX = "organizations/<reference:organization>/audit-events"
SEARCHES = "organizations/<reference:organization>/audit-searches"
ALERTS = "organizations/<reference:organization>/alerts"
ALERT_RULES = "organizations/<reference:organization>/alert-rules"
ALERT_CHANNELS = "organizations/<reference:organization>/alert-channels"
EVIDENCE = "organizations/<reference:organization>/audit"

urlpatterns = [
    path(PREFIX, events.Events.as_view()),
    path(f"{PREFIX}/export", events.Export.as_view()),
    path(f"{PREFIX}/<uuid:event>", events.OneEvent.as_view()),
    path(SEARCHES, saved_searches.SavedSearches.as_view()),
    path(f"{SEARCHES}/<uuid:search>", saved_searches.OneSavedSearch.as_view()),
    path(ALERTS, alerts.Alerts.as_view()),
    path(f"{ALERTS}/<uuid:alert>", alerts.OneAlert.as_view()),
    path(f"{ALERTS}/<uuid:alert>/acknowledge", alerts.AlertAcknowledgment.as_view()),
    path(ALERT_RULES, alert_rules.AlertRules.as_view()),
    path(f"{ALERT_RULES}/<slug:alert_rule>", alert_rules.OneAlertRule.as_view()),
    path(f"{ALERT_RULES}/<slug:alert_rule>/mute", alert_rules.AlertRuleMuting.as_view()),
    path(f"{ALERT_RULES}/<slug:alert_rule>/reset", alert_rules.AlertRuleReset.as_view()),
    path(f"{ALERT_RULES}/<slug:alert_rule>/dry-run", alert_rules.AlertRuleTrial.as_view()),
    path(ALERT_CHANNELS, alert_channels.AlertChannels.as_view()),
    path(f"{ALERT_CHANNELS}/<uuid:alert_channel>", alert_channels.OneAlertChannel.as_view()),
    path(f"{ALERT_CHANNELS}/<uuid:alert_channel>/test", alert_channels.AlertChannelTest.as_view()),
    path(f"{EVIDENCE}/events", sealed.SealedEvents.as_view()),
    path("audit/events", sealed.OwnSealedEvents.as_view()),
    path(f"{EVIDENCE}/checkpoint", checkpoints.LatestCheckpoint.as_view()),
    path(f"{EVIDENCE}/proofs/inclusion", checkpoints.InclusionProof.as_view()),
    path(f"{EVIDENCE}/proofs/consistency", checkpoints.ConsistencyProof.as_view()),
]
