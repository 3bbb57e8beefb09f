"""The verbs that change what this app keeps beside the log."""
