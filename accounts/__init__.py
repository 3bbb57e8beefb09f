"""Who you are: logins; later service accounts, API keys, single sign-on and SCIM."""
