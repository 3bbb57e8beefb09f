"""What delivery itself writes into the log."""

from audit.catalogue import Action, catalogue

SINK_FAILING = catalogue.add(Action("sink.failing", "A sink receives no events", sentence="found that {target} fails"))
SINK_MISSED_EVENTS = catalogue.add(
    Action(
        "sink.missed_events",
        "A sink missed events that were retired",
        sentence="found that {target} missed events",
    )
)
SINK_RECOVERED = catalogue.add(
    Action("sink.recovered", "A sink receives events again", sentence="found that {target} receives events again")
)
