"""The gateway's own processes: what services of the LLM platform call, where every request counts its microseconds."""
