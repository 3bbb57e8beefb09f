"""What evaluation itself writes into the log; it never raises an alert."""

from audit.catalogue import Action, catalogue

ALERT_RAISED = catalogue.add(Action("alert.raised", "Raised an alert", sentence="raised an alert: {target}"))
