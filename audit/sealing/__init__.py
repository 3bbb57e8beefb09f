"""Sealing: events get a gap-free number, a place in their organization's Merkle tree, and a signed checkpoint over it."""
