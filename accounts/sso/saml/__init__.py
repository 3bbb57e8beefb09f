"""SAML 2.0, as a service provider: Web Browser SSO and Single Logout (saml-profiles-2.0-os sections 4.1 and 4.4)."""
