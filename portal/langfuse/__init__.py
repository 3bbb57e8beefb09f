"""The addresses below /api/public/ that provisioning scripts for Langfuse use; docs/langfuse.md compares the two."""
