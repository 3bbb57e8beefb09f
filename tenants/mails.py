"""The mails of this app; rendered inside the scope, sent after the commit."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string

from console.links import root_url

from .services.invitations import SentInvitation


def send_invitation(sent: SentInvitation, *, request: HttpRequest | None = None) -> None:
    """Mail an invitation's link to the invited address once the transaction has committed.

    Args:
        sent: what `invite_member` or `resend_invitation` returned; its organization's scope must be open.
        request: the inviter's request; the link leads to the same host. None: it leads to PUBLIC_URL.
    """
    invitation = sent.invitation
    path = root_url(f"invitations/{sent.token}/")
    context = {
        "organization": invitation.organization.name,
        "role": invitation.role.name,
        "inviter": invitation.invited_by.display_name if invitation.invited_by else "",
        "email": invitation.email,
        "expires_at": invitation.expires_at,
        "link": request.build_absolute_uri(path) if request else f"{settings.PUBLIC_URL}{path}",
    }
    subject = " ".join(render_to_string("emails/invitation_subject.txt", context).split())
    message = EmailMultiAlternatives(subject, render_to_string("emails/invitation.txt", context), to=[invitation.email])
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    transaction.on_commit(message.send, robust=True)
