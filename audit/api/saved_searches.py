"""Saved searches of the audit log."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from api.operation import Filter, listing, operation
from api.serializers import Answer, Body
from api.views import OrganizationView
from audit.models import SavedSearch
from audit.query import LONGEST
from audit.querysets import READ
from audit.services.saved_searches import LONGEST_NAME, delete_search, save_search, update_search

TAG = "Audit log"


class SavedSearchAnswer(Answer):
    """A query under a name."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    query = serializers.CharField(help_text="What `q` of the events takes.")
    is_shared = serializers.BooleanField(help_text="Whether everybody who reads the whole log sees it.")
    maker = serializers.CharField(help_text="The address of the person, or the key, whose it is.")
    created_at = serializers.DateTimeField()


class NewSavedSearch(Body):
    """What to keep."""

    name = serializers.CharField(max_length=LONGEST_NAME)
    query = serializers.CharField(max_length=LONGEST)
    is_shared = serializers.BooleanField(required=False)


EXAMPLE = {
    "id": "b1c2d3e4-f5a6-4b7c-8d9e-0f1a2b3c4d5e",
    "name": "Refused last week",
    "query": "outcome:denied time:7d",
    "is_shared": True,
    "maker": "ada@acme.example",
    "created_at": "2026-01-05T09:00:00Z",
}
NEW = {"name": "Refused last week", "query": "outcome:denied time:7d", "is_shared": True}


class SavedSearches(OrganizationView):
    """Saved searches of an organization."""

    tag = TAG

    @listing(
        "listSavedSearches",
        "List saved searches",
        permission=READ,
        anywhere=True,
        response=SavedSearchAnswer,
        filters={
            "shared": Filter(serializers.BooleanField(help_text="Only shared ones, or only others."), "is_shared")
        },
        ordering={"name": "name", "created_at": "created_at"},
        default_ordering="name",
        example=EXAMPLE,
    )
    def get(self) -> Any:
        """Your own; with those that are shared, when you read the log of the whole organization."""
        return SavedSearch.objects.visible_to(self.actor)

    @operation(
        "createSavedSearch",
        "Save a search",
        permission=READ,
        anywhere=True,
        request=NewSavedSearch,
        response=SavedSearchAnswer,
        status=201,
        example=EXAMPLE,
        request_example=NEW,
    )
    def post(self) -> SavedSearch:
        """It belongs to the person or key that saves it; sharing it takes reading the log of the whole organization."""
        return save_search(organization_id=self.organization.pk, actor=self.actor, **self.data)


class OneSavedSearch(OrganizationView):
    """One saved search."""

    tag = TAG

    @operation(
        "getSavedSearch",
        "Return a saved search",
        permission=READ,
        anywhere=True,
        response=SavedSearchAnswer,
        example=EXAMPLE,
    )
    def get(self, search: UUID) -> SavedSearch:
        """Somebody else's that is not shared is not found."""
        found: SavedSearch = self.find(SavedSearch.objects.visible_to(self.actor), pk=search)
        return found

    @operation(
        "updateSavedSearch",
        "Change a saved search",
        permission=READ,
        anywhere=True,
        request=NewSavedSearch,
        response=SavedSearchAnswer,
        example=EXAMPLE,
        request_example={"name": "Refused"},
    )
    def patch(self, search: UUID) -> SavedSearch:
        """Its maker changes it, and who holds `organization:manage`."""
        stored = self.locked(SavedSearch.objects.visible_to(self.actor), pk=search)
        return update_search(search=stored, actor=self.actor, **self.data)

    @operation("deleteSavedSearch", "Delete a saved search", permission=READ, anywhere=True, status=204)
    def delete(self, search: UUID) -> None:
        """Its maker deletes it, and who holds `organization:manage`."""
        stored = self.locked(SavedSearch.objects.visible_to(self.actor), pk=search)
        delete_search(search=stored, actor=self.actor)
