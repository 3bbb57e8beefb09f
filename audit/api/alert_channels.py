"""Alert channels by API: list, add, change, test, remove."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import listing, operation
from api.serializers import Answer, Body, Change
from api.views import OrganizationView
from audit.alerts.channels import CHANNELS
from audit.models import AlertChannel
from audit.querysets import ALERTS_MANAGE, READ
from audit.services.alert_channels import LONGEST_NAME, create_channel, delete_channel, test_channel, update_channel
from isolation.exceptions import DomainError

from .alerts import TAG

_OPTIONS = "By the names of the kind's options: `url`, and for a webhook `secret`, certificates and a proxy."


class AlertChannelAnswer(Answer):
    """Where alerts are sent; its secrets are shown to nobody."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=list(CHANNELS))
    options = serializers.DictField(help_text="Those that are no secrets.")
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class MadeAlertChannelAnswer(AlertChannelAnswer):
    """A new channel."""

    secret = serializers.CharField(help_text='The signing secret that was made for it, shown this once; "": none.')


class NewAlertChannel(Body):
    """A channel."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    kind = serializers.ChoiceField(choices=list(CHANNELS))
    options = serializers.DictField(help_text=_OPTIONS)


class AlertChannelChange(Change):
    """What is left out stays as it is; so does a secret option that is left out."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    options = serializers.DictField(help_text=_OPTIONS)


class AlertChannelTestAnswer(Answer):
    """What the receiver said."""

    accepted = serializers.BooleanField()
    reason = serializers.CharField(help_text='Why it was not accepted; "" when it was.')


@dataclass(frozen=True, slots=True)
class _Tested:
    accepted: bool
    reason: str


EXAMPLE = {
    "id": "5e6f7081-92a3-4c4d-9e6f-708192a3b4c5",
    "name": "Security room",
    "kind": "webhook",
    "options": {"url": "https://alerts.acme.example/gatehouse"},
    "created_by": "ada@acme.example",
    "created_at": "2026-01-05T09:00:00Z",
}
_SECRET = "whsec_<44 characters>"  # noqa: S105 - no secret
NEW = {"name": "Security room", "kind": "webhook", "options": {"url": "https://alerts.acme.example/gatehouse"}}


@contextmanager
def _naming_options() -> Iterator[None]:
    """Let errors of a channel's options say where in the body these stand."""
    try:
        yield
    except DomainError as error:
        if not error.field or error.field in {"name", "kind"}:
            raise
        raise DomainError(error.message, field=f"options/{error.field}", code=error.code) from error


class AlertChannels(OrganizationView):
    """Where an organization's alerts are sent beside people's mailboxes."""

    tag = TAG

    @listing(
        "listAlertChannels",
        "List alert channels",
        permission=READ,
        response=AlertChannelAnswer,
        ordering={"name": "name", "created_at": "created_at"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """E-mail needs no channel: it goes to everybody who holds `alerts:manage`."""
        return AlertChannel.objects.all()

    @operation(
        "createAlertChannel",
        "Add an alert channel",
        permission=ALERTS_MANAGE,
        request=NewAlertChannel,
        response=MadeAlertChannelAnswer,
        status=201,
        example=EXAMPLE | {"secret": _SECRET},
        request_example=NEW,
    )
    def post(self) -> Any:
        """`webhook` is signed as Standard Webhooks say; `chat` is an incoming webhook as Slack has them."""
        with _naming_options():
            channel, secret = create_channel(organization_id=self.organization.pk, actor=self.actor, **self.data)
        channel.secret = secret  # type: ignore[attr-defined] # shown this once
        return channel


class OneAlertChannel(OrganizationView):
    """One channel."""

    tag = TAG

    @operation(
        "getAlertChannel", "Return an alert channel", permission=READ, response=AlertChannelAnswer, example=EXAMPLE
    )
    def get(self, alert_channel: UUID) -> AlertChannel:
        """Without its secrets."""
        found: AlertChannel = self.find(AlertChannel.objects.all(), pk=alert_channel)
        return found

    @operation(
        "updateAlertChannel",
        "Change an alert channel",
        permission=ALERTS_MANAGE,
        request=AlertChannelChange,
        response=AlertChannelAnswer,
        example=EXAMPLE,
        request_example={"name": "Night shift"},
    )
    def patch(self, alert_channel: UUID) -> AlertChannel:
        """With another address, secrets that somebody gave have to be given again."""
        stored = self.locked(AlertChannel.objects.all(), pk=alert_channel)
        with _naming_options():
            return update_channel(channel=stored, actor=self.actor, **self.data)

    @operation("deleteAlertChannel", "Remove an alert channel", permission=ALERTS_MANAGE, status=204)
    def delete(self, alert_channel: UUID) -> None:
        """Rules that named it go on with their other channels."""
        delete_channel(channel=self.locked(AlertChannel.objects.all(), pk=alert_channel), actor=self.actor)


class AlertChannelTest(OrganizationView):
    """A test alert."""

    tag = TAG

    @operation(
        "testAlertChannel",
        "Send a test alert",
        permission=ALERTS_MANAGE,
        response=AlertChannelTestAnswer,
        example={"accepted": True, "reason": ""},
    )
    def post(self, alert_channel: UUID) -> _Tested:
        """It says that it is a test, and waits for the answer."""
        channel = self.find(AlertChannel.objects.all(), pk=alert_channel)
        reason = test_channel(channel=channel, actor=self.actor)
        return _Tested(not reason, reason)
