"""Write verbs over the LLM auth proxy."""
