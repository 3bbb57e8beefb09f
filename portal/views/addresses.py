"""The e-mail addresses of one's login; somebody whom an organization holds to single sign-on changes none."""

from typing import Any

from allauth.account.views import EmailView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.sso.held import doors_for_login


class Addresses(EmailView):  # type: ignore[misc]  # allauth has no type hints
    """allauth's page, but for those who would leave single sign-on with their address."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page, or why nothing can be changed (403)."""
        if request.user.is_authenticated and (doors := doors_for_login(request.user)):
            context = {"organization": doors[0].organization, "email": request.user.email}
            return render(request, "account/email_held.html", context, status=403)
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        return response
