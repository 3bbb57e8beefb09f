"""Where people leave for a social provider, and where they come back."""

from django.conf import settings

from accounts.social_providers import SocialProvider
from console.links import root_url


def redirect_uri(provider: SocialProvider) -> str:
    """Return where the provider sends people back; each has its own, against mix-up (RFC 9700 section 4.4)."""
    return f"{settings.PUBLIC_URL}{root_url(f'accounts/social/{provider.key}/callback/')}"
