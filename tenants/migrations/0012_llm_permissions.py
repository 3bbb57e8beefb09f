"""What can be granted in one project grew by the LLM auth proxy's permissions."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0011_lost_domains"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="project",
            options={
                "base_manager_name": "objects",
                "default_permissions": (),
                "ordering": ["name"],
                "permissions": [
                    ("projects:read", "See the project"),
                    ("projects:manage", "Manage the project"),
                    ("projects:transfer", "Transfer the project"),
                    ("projects:delete", "Delete the project"),
                    ("api_keys:read", "See API keys"),
                    ("api_keys:rotate", "Rotate API keys"),
                    ("api_keys:manage", "Manage API keys"),
                    ("api_keys:introspect", "Verify API keys"),
                    ("provider_credentials:read", "See credentials"),
                    ("provider_credentials:manage", "Manage credentials"),
                    ("llm:invoke", "Call models"),
                    ("usage:read", "See usage"),
                    ("audit_log:read", "Read the audit log"),
                    ("audit_log:export", "Export the audit log"),
                    ("traces:read", "Read traces"),
                    ("traces:write", "Write traces"),
                    ("traces:delete", "Delete traces"),
                    ("prompts:read", "Read prompts"),
                    ("prompts:write", "Write prompts"),
                    ("prompts:delete", "Delete prompts"),
                    ("datasets:read", "Read datasets"),
                    ("datasets:write", "Write datasets"),
                    ("datasets:delete", "Delete datasets"),
                    ("scores:read", "Read scores"),
                    ("scores:write", "Write scores"),
                    ("scores:delete", "Delete scores"),
                    ("evaluations:read", "Read evaluations"),
                    ("evaluations:write", "Write evaluations"),
                    ("evaluations:delete", "Delete evaluations"),
                    ("dashboards:read", "Read dashboards"),
                    ("dashboards:write", "Write dashboards"),
                    ("dashboards:delete", "Delete dashboards"),
                ],
            },
        ),
    ]
