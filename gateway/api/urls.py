"""The addresses of this app's endpoints, below /api/v1/."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
