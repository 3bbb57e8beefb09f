"""Witnesses keep checkpoints where whoever rewrites the log cannot reach: a file, a bucket with Object Lock."""
