"""The e-mail backend of development: a file for each mail, its links in the log."""

import logging
import re
from pathlib import Path
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.filebased import EmailBackend

logger = logging.getLogger("gatehouse.mail")
LINK = re.compile(r"https?://\S+")


class FileBackend(EmailBackend):
    """Writes mails under ``EMAIL_FILE_PATH`` and logs recipient, subject, links and file.

    Nobody else on the machine may enter the directory: the links of the mails sign people in.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        Path(self.file_path).chmod(0o700)

    def write_message(self, message: EmailMessage) -> None:
        """Write one mail and log where it is."""
        super().write_message(message)
        links = " ".join(LINK.findall(str(message.body))) or "no link"
        file = self._get_filename()  # type: ignore[attr-defined] # django-stubs does not know it
        logger.info("mail to %s: %s | %s | %s", ", ".join(message.to), message.subject, links, file)
