"""The gateway: verification of keys, and the LLM auth proxy with its credentials, tokens, limits and usage."""
