"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`

from . import (
    alert_channels,
    alert_rules,
    alerts,
    checkpoints,
    dead_letters,
    events,
    exports,
    redaction,
    retention,
    saved_searches,
    sealed,
    sinks,
    unattributed,
    witness,
)

PREFIX = "organizations/<reference:organization>/audit-events"
SEARCHES = "organizations/<reference:organization>/audit-searches"
SINKS = "organizations/<reference:organization>/sinks"
ALERTS = "organizations/<reference:organization>/alerts"
ALERT_RULES = "organizations/<reference:organization>/alert-rules"
ALERT_CHANNELS = "organizations/<reference:organization>/alert-channels"
EVIDENCE = "organizations/<reference:organization>/audit"

urlpatterns = [
    path(PREFIX, events.Events.as_view()),
    path(f"{PREFIX}/export", events.Export.as_view()),
    path("organizations/<reference:organization>/unattributed-changes", unattributed.UnattributedChanges.as_view()),
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
    path("organizations/<reference:organization>/sink-destinations", sinks.Destinations.as_view()),
    path("organizations/<reference:organization>/redaction", redaction.Redaction.as_view()),
    path(SINKS, sinks.Sinks.as_view()),
    path(f"{SINKS}/<uuid:sink>", sinks.OneSink.as_view()),
    path(f"{SINKS}/<uuid:sink>/test", sinks.SinkTest.as_view()),
    path(f"{SINKS}/<uuid:sink>/pause", sinks.SinkPause.as_view()),
    path(f"{SINKS}/<uuid:sink>/resume", sinks.SinkResumption.as_view()),
    path(f"{SINKS}/<uuid:sink>/try-now", sinks.SinkTry.as_view()),
    path(f"{SINKS}/<uuid:sink>/replay", sinks.SinkReplay.as_view()),
    path(f"{SINKS}/<uuid:sink>/rotate-secret", sinks.SinkRotation.as_view()),
    path(f"{SINKS}/<uuid:sink>/preview", sinks.SinkPreview.as_view()),
    path(f"{SINKS}/<uuid:sink>/dead-letters", dead_letters.DeadLetters.as_view()),
    path(f"{SINKS}/<uuid:sink>/dead-letters/retry", dead_letters.Retry.as_view()),
    path(f"{SINKS}/<uuid:sink>/dead-letters/dismiss", dead_letters.Dismissal.as_view()),
    path(f"{EVIDENCE}/exports", exports.Exports.as_view()),
    path(f"{EVIDENCE}/exports/<uuid:export>", exports.OneExport.as_view()),
    path(f"{EVIDENCE}/exports/<uuid:export>/file", exports.ExportFile.as_view()),
    path(f"{EVIDENCE}/checkpoint", checkpoints.LatestCheckpoint.as_view()),
    path(f"{EVIDENCE}/proofs/inclusion", checkpoints.InclusionProof.as_view()),
    path(f"{EVIDENCE}/proofs/consistency", checkpoints.ConsistencyProof.as_view()),
    path(f"{witness.PATH}/add-checkpoint", witness.submit, name="audit_add_checkpoint"),
    path(f"{EVIDENCE}/retention", retention.RetentionView.as_view()),
    path(f"{EVIDENCE}/holds", retention.LegalHolds.as_view()),
    path(f"{EVIDENCE}/holds/<uuid:hold>", retention.OneLegalHold.as_view()),
    path(f"{EVIDENCE}/holds/<uuid:hold>/release", retention.LegalHoldRelease.as_view()),
    path(f"{EVIDENCE}/erasures", retention.Erasures.as_view()),
    path(f"{EVIDENCE}/erasures/preview", retention.ErasureDryRun.as_view()),
    path(f"{EVIDENCE}/erasures/<uuid:erasure>", retention.OneErasure.as_view()),
    path(f"{EVIDENCE}/receipts", retention.Receipts.as_view()),
]
