"""What witnessing other logs writes into the installation's own."""

from audit.catalogue import Action, catalogue

WITNESSED_LOG_REFUSED = catalogue.add(
    Action("witnessed_log.refused", "Refused to cosign an audit log that contradicts itself")
)
