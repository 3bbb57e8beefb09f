-- The oldest of the filled users become members of a group.

INSERT INTO tenants_groupmember (id, organization_id, group_id, membership_id, created_at)
SELECT gen_random_uuid(), p.organization_id, '{group}', p.membership_id, now()
FROM accounts_provisioneduser p WHERE p.email LIKE 'person-%' ORDER BY p.created_at LIMIT {members};
