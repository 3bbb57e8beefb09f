"""Single sign-on: the domains that a connection speaks for."""

from pathlib import Path

import django.contrib.postgres.fields
from django.db import migrations, models

from audit.operations import RequireAuditEvent
from isolation.operations import LookupFunctions

HERE = Path(__file__).parent
CONNECTION = "accounts_ssoconnection"
WATCHED = (
    "organization_id, protocol, name, provider, issuer, client_id, client_secret, metadata_url, subject_attribute,"
    " signs_requests, allows_idp_initiated, email_claim, name_claim, external_id_claim, groups_claim, scopes, joining,"
    " role_id, is_enabled, scim_connection_id, ends_at_provider"
)
BEFORE = RequireAuditEvent(CONNECTION, watched=WATCHED)


SIGNATURE = "accounts_sso_doors_of_domain(varchar)"


def _earlier() -> str:
    """Return the function as it was: the last one of its file."""
    text = (HERE / "sso.sql").read_text()
    at = text.index("CREATE FUNCTION accounts_sso_doors_of_domain")
    return text[at : text.index("$$;", at) + len("$$;")]


EARLIER = LookupFunctions(_earlier(), [SIGNATURE])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0014_held_addresses")]

    operations = [
        migrations.AddField(
            model_name="ssoconnection",
            name="domains",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=253),
                blank=True,
                default=list,
                help_text="Whose addresses lead here and count here. None: those of each verified domain.",
                size=None,
            ),
        ),
        migrations.RunSQL(BEFORE.reverse_sql or "", BEFORE.sql),
        RequireAuditEvent(CONNECTION, watched=f"{WATCHED}, domains"),
        migrations.RunSQL(EARLIER.reverse_sql or "", EARLIER.sql),
        LookupFunctions((HERE / "sso_domains.sql").read_text(), [SIGNATURE]),
    ]
