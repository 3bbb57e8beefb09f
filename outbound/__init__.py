"""The one HTTP client for addresses that an organization typed in; it reaches no private network."""
