"""The tests. A package, because another one of this name may be installed beside it."""
