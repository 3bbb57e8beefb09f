"""The audit log and its alerts, in both consoles."""

from console.sites import operator_site, tenant_site

from .alert_channels import AlertChannelPages, OperatorAlertChannelPages
from .alert_rules import AlertRulePages, OperatorAlertRulePages
from .alerts import AlertPages, OperatorAlertPages
from .checkpoint import CheckpointPages, OperatorCheckpointPages
from .log import AuditLog, OperatorAuditLog

tenant_log = AuditLog(tenant_site)
tenant_log.add_pages(menu=("Compliance", 10), description="Who did what, when and from where, in this organization.")

operator_log = OperatorAuditLog(operator_site)
operator_log.add_pages(
    menu=("Compliance", 10), description="The installation's own events, and those of every organization."
)

CheckpointPages(tenant_site).add_pages()
OperatorCheckpointPages(operator_site).add_pages()

AlertPages(tenant_site).add_pages(description="What rules have found in the audit log: guessed passwords, new rights.")
AlertRulePages(tenant_site).add_pages()
AlertChannelPages(tenant_site).add_pages()
OperatorAlertPages(operator_site).add_pages(description="What rules have found in the installation's own log.")
OperatorAlertRulePages(operator_site).add_pages()
OperatorAlertChannelPages(operator_site).add_pages()
