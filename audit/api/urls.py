"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`

from . import checkpoints, events, exports, saved_searches

PREFIX = "organizations/<reference:organization>/audit-events"
SEARCHES = "organizations/<reference:organization>/audit-searches"
EVIDENCE = "organizations/<reference:organization>/audit"

urlpatterns = [
    path(PREFIX, events.Events.as_view()),
    path(f"{PREFIX}/export", events.Export.as_view()),
    path(f"{PREFIX}/<uuid:event>", events.OneEvent.as_view()),
    path(SEARCHES, saved_searches.SavedSearches.as_view()),
    path(f"{SEARCHES}/<uuid:search>", saved_searches.OneSavedSearch.as_view()),
    path(f"{EVIDENCE}/exports", exports.Exports.as_view()),
    path(f"{EVIDENCE}/exports/<uuid:export>", exports.OneExport.as_view()),
    path(f"{EVIDENCE}/exports/<uuid:export>/file", exports.ExportFile.as_view()),
    path(f"{EVIDENCE}/checkpoint", checkpoints.LatestCheckpoint.as_view()),
    path(f"{EVIDENCE}/proofs/inclusion", checkpoints.InclusionProof.as_view()),
    path(f"{EVIDENCE}/proofs/consistency", checkpoints.ConsistencyProof.as_view()),
]
