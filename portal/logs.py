"""One readable log format on stdout, with the id of the request that a line belongs to."""

import logging
import re
from http import HTTPStatus
from typing import Any

from isolation.context import current_origin

NO_REQUEST = "-"
_LINK_TOKEN = re.compile(
    r"((?:invitations|sso(?:/|%2F)setup|confirm-email|password(?:/|%2F)reset(?:/|%2F)key)(?:/|%2F))[^/\s?%&]+",
    re.IGNORECASE,
)


class RequestIdFilter(logging.Filter):
    """Adds ``request_id`` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the id of the current request, ``-`` outside of one; never drops a record."""
        record.request_id = current_origin().request_id or NO_REQUEST
        return True


class LinkTokenFilter(logging.Filter):
    """Masks the tokens of invitations, set-up links, address confirmations and password resets in logged addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask; never drops a record. The development mails' links stay: reading them there is the point."""
        if record.name != "gatehouse.mail":
            message = record.getMessage()
            masked = _LINK_TOKEN.sub(r"\1***", message)
            if masked != message:
                record.msg, record.args = masked, ()
        return True


class EverySecondFilter(logging.Filter):
    """Drops what Celery says of the tasks that run each second; what goes wrong with them is no such line."""

    _names = tuple(
        f"audit.tasks.{name}" for name in ("seal_events", "deliver_events", "evaluate_alerts", "send_alerts")
    )

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a routine line of one of them."""
        if record.levelno > logging.INFO or not record.name.startswith("celery."):
            return True
        message = record.getMessage()
        return not any(name in message for name in self._names)


class RefusalFilter(logging.Filter):
    """Takes the traceback from a refusal: it is an answer to somebody, not a fault of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave the line alone; never drops a record."""
        if getattr(record, "status_code", None) == HTTPStatus.FORBIDDEN:
            record.exc_info = record.exc_text = None
        return True


def logging_config(*, level: str, timestamps: bool) -> dict[str, Any]:
    """Return Django's ``LOGGING``.

    Args:
        level: the lowest level of our own and the framework's lines.
        timestamps: whether the lines carry the time; ``make run`` adds it to every process's lines itself.
    """
    moment = "%(asctime)s " if timestamps else ""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": RequestIdFilter},
            "link_token": {"()": LinkTokenFilter},
            "every_second": {"()": EverySecondFilter},
            "refusal": {"()": RefusalFilter},
        },
        "formatters": {
            "line": {"format": f"{moment}%(levelname)-7s %(request_id)s %(name)s: %(message)s"},
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "line",
                "filters": ["every_second", "request_id", "link_token", "refusal"],
            },
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            "django": {"handlers": ["stdout"], "level": level, "propagate": False},
            # granian's own handler would show the tokens in addresses.
            "granian.access": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
            "django.server": {"handlers": ["stdout"], "level": level, "propagate": False},
        },
    }
