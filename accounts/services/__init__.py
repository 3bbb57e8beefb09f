"""Write verbs over logins, service accounts and keys."""
