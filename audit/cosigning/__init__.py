"""Cosignatures: another installation signs that a log only grew (C2SP tlog-witness, tlog-cosignature)."""
