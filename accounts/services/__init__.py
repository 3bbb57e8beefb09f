"""Write verbs over logins."""
