"""The same table five times: bare, under Gatehouse's audit log, and under three that are used with Django."""
