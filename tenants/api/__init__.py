"""The endpoints of what you have."""
