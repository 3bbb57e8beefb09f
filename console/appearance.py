"""How the consoles look: unfold's settings for each. Everything is served from this installation."""

from typing import Any

from .links import root_url

_ACCENT = {
    # Teal for organizations; white text on the 600 shade has a contrast above 4.5.
    "tenant": {
        "50": "oklch(98% .012 200)",
        "100": "oklch(95% .030 200)",
        "200": "oklch(90% .055 200)",
        "300": "oklch(83% .085 200)",
        "400": "oklch(74% .105 203)",
        "500": "oklch(63% .105 205)",
        "600": "oklch(50% .090 210)",
        "700": "oklch(43% .080 215)",
        "800": "oklch(37% .065 218)",
        "900": "oklch(31% .050 222)",
        "950": "oklch(23% .040 225)",
    },
    # Rust for operators, so that nobody mistakes one console for the other.
    "operator": {
        "50": "oklch(98% .012 50)",
        "100": "oklch(95% .030 50)",
        "200": "oklch(90% .060 48)",
        "300": "oklch(82% .100 45)",
        "400": "oklch(73% .140 43)",
        "500": "oklch(64% .160 41)",
        "600": "oklch(52% .140 40)",
        "700": "oklch(45% .125 38)",
        "800": "oklch(39% .105 36)",
        "900": "oklch(33% .085 35)",
        "950": "oklch(24% .060 34)",
    },
}


def stylesheet(request: Any) -> str:
    """Return the address of the console's own style sheet."""
    from django.templatetags.static import static  # noqa: PLC0415 - settings import this module

    return static("console/console.css")


def favicon(request: Any) -> str:
    """Return the address of the favicon."""
    from django.templatetags.static import static  # noqa: PLC0415 - settings import this module

    return static("console/favicon.svg")


def organization_name(request: Any) -> str:
    """Return what the tenant console is called: the organization's name."""
    organization = getattr(request, "organization", None)
    return str(organization.name) if organization is not None else "Gatehouse"


def account_links(request: Any) -> list[dict[str, str]]:
    """Return the links of the person's menu."""
    return [
        {"title": "My organizations", "link": root_url()},
        {"title": "Profile and security", "link": root_url("accounts/profile/")},
        {"title": "API reference", "link": root_url("api/v1/docs")},
        {"title": "Change password", "link": root_url("accounts/password/change/")},
    ]


def _look(accent: str, *, title: str, header: Any, subheader: str, symbol: str) -> dict[str, Any]:
    return {
        "SITE_TITLE": title,
        "SITE_HEADER": header,
        "SITE_SUBHEADER": subheader,
        "SITE_SYMBOL": symbol,
        "SITE_URL": None,
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": favicon}],
        "SHOW_HISTORY": False,
        "SHOW_VIEW_ON_SITE": False,
        "SHOW_LANGUAGES": False,
        "SHOW_BACK_BUTTON": True,
        "BORDER_RADIUS": "8px",
        "COLORS": {"primary": _ACCENT[accent]},
        "STYLES": [stylesheet],
        "ACCOUNT": {"navigation": account_links},
        "COMMAND": {"search_models": False, "show_history": False},
        "SIDEBAR": {"show_search": True, "command_search": True, "show_all_applications": False, "navigation": []},
    }


OPERATOR: dict[str, Any] = _look(
    "operator", title="Gatehouse operators", header="Gatehouse", subheader="Operator console", symbol="shield_person"
)
TENANT: dict[str, Any] = _look(
    "tenant", title="Gatehouse", header=organization_name, subheader="Gatehouse", symbol="door_front"
)
