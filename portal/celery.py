"""The Celery application and its schedule; run as ``celery -A portal worker -B``."""

import os
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import SecurityWarning
from celery.schedules import crontab
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

# Celery discourages root because of pickle; only JSON is accepted here.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("gatehouse")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every task here finds its work in tables: a lost or doubled message changes nothing.
app.conf.beat_schedule = {
    "purge what was deleted and whose grace period is over": {
        "task": "tenants.tasks.purge_due",
        "schedule": crontab(minute="17"),
    },
    "tell people that their keys expire": {
        "task": "accounts.tasks.warn_of_expiring_keys",
        "schedule": crontab(minute="7"),
    },
    "look whether verified domains still carry their record": {
        "task": "tenants.tasks.check_domains",
        "schedule": crontab(minute="47", hour="4"),
    },
    "let in or invite who was provisioned and waits": {
        "task": "accounts.tasks.settle_everybody_waiting",
        "schedule": 60,
    },
    "forget old requests of identity providers": {
        "task": "accounts.tasks.forget_requests",
        "schedule": crontab(minute="47", hour="2"),
    },
    "ask OpenID providers what they say of themselves": {
        "task": "accounts.tasks.refresh_sso_connections",
        "schedule": crontab(minute="27", hour="1"),
    },
    "forget sessions that are over and browsers that are not used": {
        "task": "accounts.tasks.forget_sessions",
        "schedule": crontab(minute="53"),
    },
    "tell people that certificates of SAML connections expire": {
        "task": "accounts.tasks.watch_certificates",
        "schedule": crontab(minute="37", hour="5"),
    },
    "make the audit log's next partitions": {
        "task": "audit.tasks.ensure_partitions",
        "schedule": crontab(minute="5", hour="3"),
    },
    "seal the audit log": {
        "task": "audit.tasks.seal_events",
        "schedule": 1,
        "options": {"expires": 10},  # a worker that was away finds one message that counts, not a heap
    },
    "deliver sealed events to sinks": {
        "task": "audit.tasks.deliver_events",
        "schedule": 1,
        "options": {"expires": 10, "queue": "delivery"},
    },
    "look for alerts in what was sealed": {
        "task": "audit.tasks.evaluate_alerts",
        "schedule": 2,
        "options": {"expires": 10},
    },
    "tell people of alerts": {
        "task": "audit.tasks.send_alerts",
        "schedule": 2,
        "options": {"expires": 10, "queue": "delivery"},
    },
    "let witnesses keep the newest checkpoints": {
        "task": "audit.tasks.publish_checkpoints",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "have the newest checkpoints cosigned": {
        "task": "audit.tasks.ask_cosigners",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "verify the audit log": {
        "task": "audit.tasks.verify_log",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "retire what is out of time in the audit log": {
        "task": "audit.tasks.retire_events",
        "schedule": crontab(minute="25", hour="3"),
    },
    "erase people from the audit log whose notice is over": {
        "task": "audit.tasks.carry_out_erasures",
        "schedule": crontab(minute="35"),
    },
    "look for changes that carry no audit event": {
        "task": "audit.tasks.reconcile_changes",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "go on with evidence exports, and delete those whose time is over": {
        "task": "audit.tasks.sweep_exports",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "rotate and withdraw the keys that sign tokens": {
        "task": "gateway.tasks.keep_signing_keys",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "forget access tokens that expired a month ago": {
        "task": "gateway.tasks.forget_tokens",
        "schedule": crontab(minute="13"),
    },
    "forget former secrets of provider credentials": {
        "task": "gateway.tasks.forget_former_secrets",
        "schedule": crontab(minute="33"),
    },
    "look which budgets of LLM usage are used up": {
        "task": "gateway.tasks.watch_limits",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "forget usage that is older than it is kept": {
        "task": "gateway.tasks.forget_usage",
        "schedule": crontab(minute="33"),
    },
    "sweep what the API keeps for a day": {
        "task": "api.tasks.sweep",
        "schedule": crontab(minute="29"),
    },
    "sweep the cache's table": {
        "task": "portal.tasks.sweep_cache",
        "schedule": crontab(minute="53"),
    },
    "sweep the broker's tables": {
        "task": "portal.tasks.sweep_broker",
        "schedule": crontab(minute="41"),
    },
}


@worker_init.connect
def _prepare(**kwargs: Any) -> None:
    from portal.startup import prepare_process  # noqa: PLC0415 - the apps are loaded by now

    prepare_process()
