"""What delivery itself writes into the log."""

from audit.catalogue import Action, catalogue

SINK_FAILING = catalogue.add(Action("sink.failing", "A sink receives no events", sentence="found that {target} fails"))
SINK_RECOVERED = catalogue.add(
    Action("sink.recovered", "A sink receives events again", sentence="found that {target} receives events again")
)
