"""The audited actions of this app: what happens to logins, and signing in and out."""

from audit.recorder import records

from . import signals

records(signals.user_created, "user.created", "Created a login")
records(signals.user_updated, "user.updated", "Changed a login")
records(signals.user_deactivated, "user.deactivated", "Deactivated a login")
records(signals.user_reactivated, "user.reactivated", "Reactivated a login")
records(signals.user_password_changed, "user.password_changed", "Changed their password")
records(signals.user_email_verified, "user.email_verified", "Confirmed their e-mail address")
records(signals.user_deleted, "user.deleted", "Deleted a login")
