"""The candidates of the benchmark of key verification; each is served by granian with one process."""
