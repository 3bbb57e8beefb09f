"""Single sign-on: `oidc` and `saml` speak to an organization's identity provider, the rest is common to both."""
