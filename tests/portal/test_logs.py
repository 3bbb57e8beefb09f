"""What the log never holds."""

import logging

import pytest

from portal.logs import LinkTokenFilter, RefusalFilter

TOKEN = "4vFXUSkd-QYrcJO9fgdvJpctcUbx0ckXuAN5Sgz3ucw"


def logged(name: str, message: str, *args: object) -> str:
    record = logging.LogRecord(name, logging.WARNING, __file__, 1, message, args, None)
    assert LinkTokenFilter().filter(record)
    return record.getMessage()


@pytest.mark.parametrize("path", ["/invitations/", "/accounts/confirm-email/", "/accounts/password/reset/key/"])
def test_a_links_token_is_masked(path: str) -> None:
    line = logged("django.security.csrf", "Forbidden (%s): %s", "CSRF token missing", f"{path}{TOKEN}/")
    assert line == f"Forbidden (CSRF token missing): {path}***/"
    assert TOKEN not in logged("access", f'GET {path}{TOKEN}?next=/ "Firefox" 200')
    assert TOKEN not in logged("access", f"GET /accounts/login/?next=%2Finvitations%2F{TOKEN}%2F 200")


def test_other_addresses_stay() -> None:
    assert logged("django.request", "Not Found: %s", "/o/acme/members/") == "Not Found: /o/acme/members/"


def test_development_mails_keep_their_links() -> None:
    assert TOKEN in logged("gatehouse.mail", "mail to x | %s", f"http://localhost/invitations/{TOKEN}/")


@pytest.mark.parametrize(("status", "kept"), [(403, False), (500, True)])
def test_a_refusal_is_one_line_and_a_fault_keeps_its_traceback(status: int, kept: bool) -> None:
    fault = (PermissionError, PermissionError("no"), None)
    record = logging.LogRecord("django.request", logging.WARNING, __file__, 1, "Forbidden", (), fault)
    record.status_code = status
    assert RefusalFilter().filter(record)
    assert ("PermissionError" in logging.Formatter().format(record)) is kept
