"""The pages outside the consoles."""
