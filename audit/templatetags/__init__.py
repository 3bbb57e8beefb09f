"""Template tags of the audit viewer."""
