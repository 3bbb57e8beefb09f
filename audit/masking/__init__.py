"""Redaction: personal data that does not leave with an event. The leaf's hash stays, and with it what proves the event.

`detectors` find personal data and secrets in free text (plain Python: the gateway uses them as well), `rules` say what
becomes of which field, `application` does it to a sealed event, `selection` leaves whole fields out.
"""
