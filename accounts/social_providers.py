"""The social providers that an operator has configured (no models: the settings read this)."""

from dataclasses import dataclass, field

GOOGLE = "google"
GITHUB = "github"
GITLAB = "gitlab"
LABELS = {GOOGLE: "Google", GITHUB: "GitHub", GITLAB: "GitLab"}
"""What people read."""
SOCIAL = "social"
"""How allauth's records of a session name a sign-in by such an account; they name the provider too."""
GOOGLE_ISSUER = "https://accounts.google.com"


@dataclass(frozen=True, slots=True)
class SocialProvider:
    """A provider at which anybody may have an account.

    Attributes:
        key: its name in addresses and in the database; never changes.
        issuer: its issuer identifier; GitHub's, which is no OpenID provider, is the address of its site.
        client_id: of the application that the operator registered there.
        client_secret: its secret, never shown.
    """

    key: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def label(self) -> str:
        """Return what people read."""
        return LABELS[self.key]

    @property
    def api(self) -> str:
        """Return where GitHub's API begins: that of github.com, of GHE.com, or of a server of one's own."""
        scheme, _, host = self.issuer.partition("://")
        if host == "github.com" or host.endswith(".ghe.com"):
            return f"{scheme}://api.{host}"
        return f"{self.issuer}/api/v3"


def is_configured(provider: SocialProvider) -> bool:
    """Return whether people may sign in with it.

    Raises:
        ValueError: a client ID stands without its secret, or a secret without its client ID.
    """
    if bool(provider.client_id) != bool(provider.client_secret):
        missing = "the secret is not" if provider.client_id else "the client ID is not, and the secret is"
        raise ValueError(f"{missing} set; set both or neither")
    return bool(provider.client_id)
