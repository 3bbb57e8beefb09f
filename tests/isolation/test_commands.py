"""Management commands act as the system, say who sat at the shell, and fail with one line."""

import getpass
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from isolation.actor import ANONYMOUS, Actor, ActorKind
from isolation.commands import ScopedCommand
from isolation.context import Via, current_actor, current_origin
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import on_scope_exit


class Recording(ScopedCommand):
    """Keeps what `run` meets, then raises what it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error
        self.met: list[Any] = []

    def run(self, actor: Actor, **options: Any) -> str:
        on_scope_exit(lambda: self.met.append("settled"))
        self.met += [actor, current_actor(), current_origin().via]
        if self.error:
            raise self.error
        return "done"


def test_it_runs_as_the_system_with_the_name_of_the_shells_user(capsys: pytest.CaptureFixture[str]) -> None:
    command = Recording()
    assert call_command(command) == "done"
    actor, current, via, settled = command.met
    assert actor is current
    assert (actor.kind, actor.label, via) == (ActorKind.SYSTEM, f"{getpass.getuser()} (command line)", Via.CLI)
    assert settled == "settled"
    assert current_actor() is ANONYMOUS
    assert capsys.readouterr().out == "done\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DomainError("The name is taken.", field="name"), "The name is taken."),
        (MissingPermission("members:read"), "This needs the permission members:read."),
        (PermissionDenied("Not here."), "Not here."),
    ],
)
def test_a_refusal_is_one_line(error: Exception, line: str) -> None:
    command = Recording(error)
    with pytest.raises(CommandError) as refused:
        call_command(command)
    assert str(refused.value) == line
    assert command.met[-1] == "settled", "what waits for the end, such as the event of a refusal, is not lost"


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(KeyError):
        call_command(Recording(KeyError("bug")))
