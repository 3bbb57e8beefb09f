"""The endpoints of who you are."""
