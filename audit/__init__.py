"""What was done: the append-only event log."""
