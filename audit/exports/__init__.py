"""Evidence exports: a part of the sealed log as a file, made in the background, encrypted where it lies."""
