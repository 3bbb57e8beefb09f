"""The forms of the LLM auth proxy."""
