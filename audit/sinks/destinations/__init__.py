"""The protocols, one module each; none knows another."""
