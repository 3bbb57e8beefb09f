"""What you have: organizations, projects, roles, memberships, groups, invitations."""
