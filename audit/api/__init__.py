"""The endpoints of what was done."""
