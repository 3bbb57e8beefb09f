"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

import api.converters  # noqa: F401 - registers `reference`

from . import events, unattributed

PREFIX = "organizations/<reference:organization>/audit-events"

urlpatterns = [
    path(PREFIX, events.Events.as_view()),
    path(f"{PREFIX}/export", events.Export.as_view()),
    path("organizations/<reference:organization>/unattributed-changes", unattributed.UnattributedChanges.as_view()),
    path(f"{PREFIX}/<uuid:event>", events.OneEvent.as_view()),
]
