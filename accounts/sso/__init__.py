"""Single sign-on through an organization's identity provider: OpenID Connect Core 1.0, as a relying party."""
