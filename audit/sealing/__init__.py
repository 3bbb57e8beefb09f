"""Sealing: events get a number without a gap, a place in their log's Merkle tree, and a signed checkpoint over it."""
