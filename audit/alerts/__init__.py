"""Alerts: rules that watch the sealed events of a log, and tell people of what they find.

`rules` are what is looked for, `windows` decide from the events' own times, `evaluation` walks the log, `notices` tell.
Nothing here decides who may change a rule: that is `audit.services.alert_rules`.
"""
