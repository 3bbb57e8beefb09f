"""Signing in with an account at Google, GitHub or GitLab: for the whole installation, where its operator says so."""
