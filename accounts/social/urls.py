"""Where people sign in with an account at a social provider, and connect one."""

from django.urls import path

from . import views

urlpatterns = [
    path("<slug:key>/start/", views.start, name="social_start"),
    path("<slug:key>/callback/", views.callback, name="social_callback"),
    path("<slug:key>/connect/", views.connect, name="social_connect"),
    path("<uuid:identity_id>/disconnect/", views.disconnect, name="social_disconnect"),
]
