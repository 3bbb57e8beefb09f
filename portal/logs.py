"""One readable log format on stdout, with the id of the request that a line belongs to."""

import logging
from typing import Any

from isolation.context import current_origin

NO_REQUEST = "-"


class RequestIdFilter(logging.Filter):
    """Adds ``request_id`` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the id of the current request, ``-`` outside of one; never drops a record."""
        origin = current_origin()
        record.request_id = getattr(origin, "request_id", None) or NO_REQUEST
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
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {
            "line": {"format": f"{moment}%(levelname)-7s %(request_id)s %(name)s: %(message)s"},
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "line",
                "filters": ["request_id"],
            },
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            "django": {"handlers": ["stdout"], "level": level, "propagate": False},
            "django.server": {"handlers": ["stdout"], "level": level, "propagate": False},
        },
    }
