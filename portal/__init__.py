"""The Django project: settings, URLs, processes, start-up and health."""
