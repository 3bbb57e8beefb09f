"""The audit log, its sinks and alerts, in both consoles."""

from console.sites import operator_site, tenant_site

from .alert_channels import AlertChannelPages, OperatorAlertChannelPages
from .alert_rules import AlertRulePages, OperatorAlertRulePages
from .alerts import AlertPages, OperatorAlertPages
from .checkpoint import CheckpointPages, OperatorCheckpointPages
from .deleted import DeletedLogPages
from .log import AuditLog, OperatorAuditLog
from .operator_sinks import OperatorSinkPages
from .retention import OperatorRetentionPages, RetentionPages
from .sinks import SinkPages
from .unattributed import OperatorUnattributedChanges, UnattributedChanges
from .witnesses import WitnessPages

tenant_log = AuditLog(tenant_site)
tenant_log.add_pages(menu=("Compliance", 10), description="Who did what, when and from where, in this organization.")

operator_log = OperatorAuditLog(operator_site)
operator_log.add_pages(
    menu=("Compliance", 10), description="The installation's own events, and those of every organization."
)

CheckpointPages(tenant_site).add_pages()
OperatorCheckpointPages(operator_site).add_pages()
UnattributedChanges(tenant_site).add_page(
    menu=("Compliance", 11), description="What changed in the database without an event that tells of it."
)
OperatorUnattributedChanges(operator_site).add_page(
    menu=("Compliance", 11), description="What changed in the database without an event, in any organization."
)
RetentionPages(tenant_site).add_pages(description="How long events are kept, legal holds, erasures, receipts.")
OperatorRetentionPages(operator_site).add_pages(description="How long events of a log are kept, legal holds, erasures.")
DeletedLogPages(operator_site).add_pages(
    menu=("Compliance", 13), description="The logs of organizations that are gone, as long as they are kept."
)
WitnessPages(operator_site).add_pages(
    menu=("Compliance", 14),
    description="Other installations that cosign the audit logs, and whose logs are cosigned here.",
)

SinkPages(tenant_site).add_pages()
OperatorSinkPages(operator_site).add_pages()

AlertPages(tenant_site).add_pages(description="What rules have found in the audit log: guessed passwords, new rights.")
AlertRulePages(tenant_site).add_pages()
AlertChannelPages(tenant_site).add_pages()
OperatorAlertPages(operator_site).add_pages(description="What rules have found in the installation's own log.")
OperatorAlertRulePages(operator_site).add_pages()
OperatorAlertChannelPages(operator_site).add_pages()
