"""The e-mail backend of development: a file for each mail, its links in the log."""

import logging
import re

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

logger = logging.getLogger("gatehouse.mail")
LINK = re.compile(r"https?://\S+")


class FileBackend(EmailBackend):
    """Writes mails under ``EMAIL_FILE_PATH`` and logs recipient, subject, links and file."""

    def write_message(self, message: EmailMessage) -> None:
        """Write one mail and log where it is."""
        super().write_message(message)
        links = " ".join(LINK.findall(str(message.body))) or "no link"
        file = self._get_filename()  # type: ignore[attr-defined] # django-stubs does not know it
        logger.info("mail to %s: %s | %s | %s", ", ".join(message.to), message.subject, links, file)
