"""Retention: how long events are kept, what is held, who was erased, and the receipts of what is gone."""
