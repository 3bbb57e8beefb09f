"""How dates and times are written: the same everywhere, read alike on both sides of an ocean."""
