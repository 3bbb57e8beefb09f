"""The addresses of the API's own pages, below /api/v1/."""

from django.urls import path

from . import document

urlpatterns = [
    path("openapi.json", document.OpenApiJson.as_view()),
    path("openapi.yaml", document.OpenApiYaml.as_view()),
    path("docs", document.page, name="api_docs"),
]
