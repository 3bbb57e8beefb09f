"""The e-mail backend of development."""

import stat
from pathlib import Path

from django.core.mail import EmailMessage

from portal.mail import FileBackend


def test_nobody_else_on_the_machine_reads_the_links(tmp_path: Path) -> None:
    mails = tmp_path / "mail"
    mails.mkdir(mode=0o755)
    FileBackend(file_path=str(mails)).send_messages([EmailMessage("Reset", "https://x.example/y", to=["a@b.example"])])
    assert stat.S_IMODE(mails.stat().st_mode) == 0o700
    assert len(list(mails.iterdir())) == 1
