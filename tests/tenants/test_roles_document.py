"""The documented matrix is the code's."""

from django.conf import settings

from tenants.management.commands.roles_matrix import matrix


def test_docs_show_the_catalogue_as_it_is() -> None:
    assert (settings.BASE_DIR / "docs" / "roles.md").read_text().rstrip() == matrix()
