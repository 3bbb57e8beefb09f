"""The endpoints of the LLM auth proxy."""
