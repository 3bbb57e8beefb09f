"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import path

from . import me

urlpatterns = [
    path("me", me.Me.as_view()),
]
