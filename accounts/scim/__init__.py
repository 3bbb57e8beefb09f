"""SCIM 2.0 (RFC 7643, 7644, 9865): the edge by which identity providers provision; the verbs are in the services."""
