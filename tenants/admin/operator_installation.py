"""The installation's settings, one form."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of
from console.confirm import add_refusal
from console.sites import operator_site
from isolation.exceptions import DomainError
from tenants.forms.operator import InstallationForm
from tenants.models import InstallationSettings
from tenants.services.installation import update_installation_settings

from .common import page


@operator_site.page(
    "installation/",
    name="installation",
    title="Settings",
    permission=None,
    menu=("Installation", 10),
    icon="settings",
    description="Sign-up, who may create organizations, what new users get, naming, grace period.",
)
def installation(request: HttpRequest) -> HttpResponse:
    """Show and save the settings; only operators enter this site."""
    form = InstallationForm(request.POST if request.method == "POST" else None, instance=InstallationSettings.load())
    if form.is_bound and form.is_valid():
        try:
            update_installation_settings(actor=actor_of(request), **form.cleaned_data)
        except DomainError as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, "The settings were saved.")
            return HttpResponseRedirect(reverse("operator:installation"))
    context = {"title": "Installation settings", "intro": "What holds for everybody who uses this installation."}
    return page(operator_site, request, "tenants/installation.html", context, form=form)
