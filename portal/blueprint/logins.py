"""Logins that a blueprint makes when they are missing; those that exist are left as they are."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.services.users import create_user, operator_actor
from isolation.actor import Actor

from .changes import Change, Verb
from .document import Document, Item
from .problems import BlueprintError, Problem
from .references import described, reveal


class Logins:
    """The section ``users``, which belongs to no organization.

    Args:
        document: the blueprint.
        actor: the system.
        person: who acts instead; only an operator makes logins.
    """

    def __init__(self, document: Document, actor: Actor, person: User | None) -> None:
        self._document = document
        self._person = person
        self._actor = operator_actor(person) if person and person.is_operator else actor

    def check_passwords(self) -> None:
        """Refuse passwords that are not there or too weak.

        Raises:
            BlueprintError: with every one of them; none is quoted.
        """
        problems: list[Problem] = []
        for email, item in self._absent().items():
            path = (*item.path, "password")
            try:
                if password := self._password(item):
                    validate_password(password, User(email=email, name=item.values.get("name", "")))
            except ValidationError as error:
                problems.append(self._document.source.problem(path, " ".join(error.messages)))
            except BlueprintError as error:
                problems += error.problems
        if problems:
            raise BlueprintError(problems)

    def missing(self, *, rehearsing: bool = False) -> list[Change]:
        """Return the logins that are missing.

        Args:
            rehearsing: leave the passwords out: nobody will sign in, and hashing takes its time.

        Raises:
            BlueprintError: a person acts who is no operator.
        """
        users = self._document.users
        if users and self._person and not self._person.is_operator:
            said = f"Only an operator makes logins, and {self._person.email} is none."
            path = next(iter(users.values())).path
            raise BlueprintError([self._document.source.problem(path, said, at_key=True)])
        return [self._change(email, item, rehearsing=rehearsing) for email, item in self._absent().items()]

    def _absent(self) -> dict[str, Item]:
        users = self._document.users
        known = set(User.objects.filter(email__in=users).values_list("email", flat=True))
        return {email: item for email, item in users.items() if email not in known}

    def _change(self, email: str, item: Item, *, rehearsing: bool) -> Change:
        name = item.values.get("name", "")
        reference = item.values.get("password")
        fields = {"name": (None, name)} if name else {}
        fields |= {"password": (None, described(reference))} if reference else {}

        def create() -> None:
            password = None if rehearsing else self._password(item)
            create_user(email=email, name=name, password=password, verified=True, actor=self._actor)

        note = "" if reference else "sets a password by “forgot password”"
        return Change(Verb.CREATE, "login", email, fields, item.path, create, note=note)

    def _password(self, item: Item) -> str | None:
        reference = item.values.get("password")
        return reveal(reference, (*item.path, "password"), self._document.source) if reference else None
