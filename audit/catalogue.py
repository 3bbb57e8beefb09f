"""Every action that an event can name; each app adds its own in `audit_events.py`."""

from collections.abc import Iterator
from dataclasses import dataclass


class UnknownAction(LookupError):  # noqa: N818 - reads as the statement it is
    """An event names an action that no `audit_events.py` registered."""


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of event.

    Attributes:
        name: ``resource.verb_in_past`` (``member.role_changed``); stable for ever, programs filter by it.
        label: the words that a person reads.
        retired: no longer written; kept so that old events still have their label.
        sentence: what follows the actor's name when an event is read as a sentence, with ``{target}``, ``{project}``,
            ``{before.field}`` and ``{after.field}``; empty: the label, the target and the changed fields.
    """

    name: str
    label: str
    retired: bool = False
    sentence: str = ""

    @property
    def resource(self) -> str:
        """Return what the action is about (``member``)."""
        return self.name.partition(".")[0]


class Catalogue:
    """The actions by name."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def add(self, action: Action) -> Action:
        """Register an action.

        Raises:
            ValueError: the name is taken.
        """
        if action.name in self._actions:
            raise ValueError(f"The audit action {action.name} is registered twice.")
        self._actions[action.name] = action
        return action

    def get(self, name: str) -> Action:
        """Return the action called `name`.

        Raises:
            UnknownAction: nobody registered it.
        """
        try:
            return self._actions[name]
        except KeyError:
            raise UnknownAction(name) from None

    def label(self, name: str) -> str:
        """Return the words for `name`; the name itself when the action is not known to this version."""
        action = self._actions.get(name)
        return action.label if action else name

    def template(self, name: str) -> str:
        """Return the sentence of `name`; "" when it has none."""
        action = self._actions.get(name)
        return action.sentence if action else ""

    def __iter__(self) -> Iterator[Action]:
        """Yield the actions in the order of their names."""
        return iter(sorted(self._actions.values(), key=lambda action: action.name))


catalogue = Catalogue()
