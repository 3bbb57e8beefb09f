"""The channels that alerts are sent to: list, add, change, test, remove."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from audit.alert_forms import ChannelForm
from audit.alerts.channels import CHANNELS, Channel
from audit.models import AlertChannel, AlertNotice
from audit.services.alert_channels import create_channel, delete_channel, test_channel, update_channel
from console.access import actor_of
from console.confirm import ConfirmForm, show_confirmation
from isolation.exceptions import DomainError

from .alerts import AlertBase

_REFUSED = 422


class AlertChannelPages(AlertBase):
    """The channels of one log's alerts."""

    def add_pages(self) -> None:
        """Add the pages to the site."""
        self.add("audit/alert-channels/", "alert_channels", "Alert channels", self.show_list)
        self.add("audit/alert-channels/new/<slug:kind>/", "alert_channel_new", "Add a channel", self.add_channel)
        self.add("audit/alert-channels/<uuid:pk>/", "alert_channel", "Channel", self.change_channel)
        self.add("audit/alert-channels/<uuid:pk>/remove/", "alert_channel_remove", "Remove", self.remove)

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show where alerts are sent."""
        may_manage = self.may_manage(request)
        with self.opened():
            channels = list(AlertChannel.objects.all())
            newest = AlertNotice.objects.exclude(channel=None).order_by("channel_id", "-alert__raised_at", "-id")
            last = {each.channel_id: each for each in newest.distinct("channel_id").select_related("alert")}
        for channel in channels:
            channel.url = self.url("alert_channel", channel.pk) if may_manage else ""
            channel.label = CHANNELS[channel.kind].label if channel.kind in CHANNELS else channel.kind
            channel.last = last.get(channel.pk)
        kinds = [
            {"label": each.label, "summary": each.summary, "url": self.url("alert_channel_new", each.kind)}
            for each in CHANNELS.values()
        ]
        context = {
            "title": "Alert channels",
            "breadcrumbs": self.crumbs(),
            "channels": channels,
            "kinds": kinds if may_manage else [],
            "whom": "every operator" if self.is_installation else "everybody who manages alerts",
        }
        return self.site.render(request, "audit/alerts/channels.html", context)

    def add_channel(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Ask what a channel wants to be told; on POST add it, and show the secret that was made.

        Raises:
            Http404: there is no such kind.
        """
        self.demand(request)
        receiver = CHANNELS.get(kind)
        if receiver is None:
            raise Http404("There is no such kind of channel.")
        form = ChannelForm(request.POST if request.method == "POST" else None, receiver=receiver)
        if request.method == "POST" and form.is_valid():
            try:
                with self.opened():
                    channel, secret = create_channel(
                        organization_id=self.log(request),
                        kind=kind,
                        name=form.cleaned_data["name"],
                        options=form.options(),
                        actor=actor_of(request),
                    )
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, f"The channel {channel} was added. Send a test alert to see that it arrives.")
                if secret:
                    return self._show_secret(request, channel, secret)
                return HttpResponseRedirect(self.url("alert_channel", channel.pk))
        return self._page(request, form, receiver, {"title": receiver.label})

    def change_channel(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a channel's settings; on POST change them, or send a test.

        Raises:
            Http404: there is no such channel, or this version does not know its kind.
        """
        self.demand(request)
        with self.opened():
            channel = self.find(pk)
            receiver = CHANNELS.get(channel.kind)
            if receiver is None:
                raise Http404("This version does not know its kind.")
            if request.method == "POST" and "test" in request.POST:
                answer = test_channel(channel=channel, actor=actor_of(request))
                if answer:
                    messages.error(request, f"The test alert was not accepted. {answer}")
                else:
                    messages.success(request, "The test alert was accepted.")
                return HttpResponseRedirect(self.url("alert_channel", pk))
            form = ChannelForm(request.POST if request.method == "POST" else None, receiver=receiver, channel=channel)
            if request.method == "POST" and form.is_valid():
                try:
                    update_channel(
                        channel=channel,
                        actor=actor_of(request),
                        name=form.cleaned_data["name"],
                        options=form.options(),
                    )
                except DomainError as error:
                    form.refuse(error)
                else:
                    messages.success(request, "The channel was changed.")
                    return HttpResponseRedirect(self.url("alert_channels"))
            public_key = receiver.public_key(channel.revealed()) if "signing_key" in channel.revealed() else ""
        context = {
            "title": channel.name,
            "channel": channel,
            "public_key": public_key,
            "remove_url": self.url("alert_channel_remove", pk),
        }
        return self._page(request, form, receiver, context)

    def remove(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask; on POST remove a channel.

        Raises:
            Http404: there is no such channel.
        """
        self.demand(request)
        form = ConfirmForm.build(request)
        with self.opened():
            channel = self.find(pk)
            if request.method == "POST" and form.is_valid():
                delete_channel(channel=channel, actor=actor_of(request))
                messages.success(request, f"The channel {channel} was removed.")
                return HttpResponseRedirect(self.url("alert_channels"))
        return show_confirmation(
            self.site,
            request,
            title=f"Remove {channel}",
            form=form,
            cancel_url=self.url("alert_channel", pk),
            message="No alert is sent there any more. Rules that named it go on with their other channels.",
            submit="Remove",
        )

    def find(self, pk: UUID) -> AlertChannel:
        """Return a channel of the open scope.

        Raises:
            Http404: there is none.
        """
        found: AlertChannel | None = AlertChannel.objects.filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such channel here.")
        return found

    def _page(
        self, request: HttpRequest, form: ChannelForm, receiver: type[Channel], context: dict[str, Any]
    ) -> HttpResponse:
        crumbs = self.crumbs(("Alert channels", self.url("alert_channels")))
        shown = {
            "form": form,
            "guarantee": receiver.guarantee,
            "breadcrumbs": crumbs,
            "back_url": self.url("alert_channels"),
        }
        status = _REFUSED if form.is_bound else 200
        return self.site.render(request, "audit/alerts/channel.html", {**shown, **context}, status=status)

    def _show_secret(self, request: HttpRequest, channel: AlertChannel, secret: str) -> HttpResponse:
        context = {
            "title": "The channel was added",
            "channel": channel,
            "secret": secret,
            "done_url": self.url("alert_channel", channel.pk),
        }
        response: HttpResponse = self.site.render(request, "audit/alerts/secret.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response


class OperatorAlertChannelPages(AlertChannelPages):
    """The channels of the installation's own alerts, for operators."""

    is_installation = True
