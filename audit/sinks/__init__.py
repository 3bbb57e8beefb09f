"""Sinks: the SIEM destinations that sealed events are delivered to, in order, at least once.

`destinations/` speaks each receiver's protocol, `records` says what is sent, `claims` who may deliver now, `delivery`
delivers. Nothing here decides who may change a sink: that is `audit.services.sinks`.
"""
