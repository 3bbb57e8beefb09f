"""Commands of the LLM auth proxy."""
