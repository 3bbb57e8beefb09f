"""Secrets at rest: the keyring, an organization's data keys, and a model field whose column holds ciphertext only."""
