"""Provider credentials may be access keys of AWS."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("gateway", "0007_check"),
    ]

    operations = [
        migrations.AlterField(
            model_name="providercredential",
            name="kind",
            field=models.CharField(
                choices=[
                    ("api_key", "API key"),
                    ("oauth_client", "OAuth 2.0 client credentials"),
                    ("aws_keys", "AWS access key"),
                    ("vault", "HashiCorp Vault"),
                    ("aws_secrets_manager", "AWS Secrets Manager"),
                ],
                default="api_key",
                max_length=20,
            ),
        ),
    ]
