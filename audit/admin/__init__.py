"""The audit log and its sinks, in both consoles."""

from console.sites import operator_site, tenant_site

from .checkpoint import CheckpointPages, OperatorCheckpointPages
from .log import AuditLog, OperatorAuditLog
from .operator_sinks import OperatorSinkPages
from .sinks import SinkPages

tenant_log = AuditLog(tenant_site)
tenant_log.add_pages(menu=("Compliance", 10), description="Who did what, when and from where, in this organization.")

operator_log = OperatorAuditLog(operator_site)
operator_log.add_pages(
    menu=("Compliance", 10), description="The installation's own events, and those of every organization."
)

CheckpointPages(tenant_site).add_pages()
OperatorCheckpointPages(operator_site).add_pages()

SinkPages(tenant_site).add_pages()
OperatorSinkPages(operator_site).add_pages()
