"""The form of the proxy's settings."""

from typing import Any

from django import forms

from audit.masking.detectors import DETECTORS
from console.confirm import dress
from gateway.models import CounterOutage, ProxySettings
from gateway.models.proxy_settings import LONGEST_TOKEN, SHORTEST_TOKEN

SECTIONS = (
    ("", "", ("is_enabled",)),
    (
        "Tokens",
        "What the Envoy checks. Tokens that are out keep what they were issued with.",
        ("audiences", "token_seconds", "accepts_api_keys", "emits_langsmith_names"),
    ),
    (
        "Personal data in prompts",
        "What is found is replaced by its name, such as [email], before a prompt leaves. Answers are not changed.",
        ("masked",),
    ),
    ("Limits", "", ("on_counter_outage",)),
)


class ProxySettingsForm(forms.Form):
    """How the proxy works.

    Args:
        data: what was sent, None before.
        stored: the settings as they are.
        editable: whether the actor may change anything.
    """

    is_enabled = forms.BooleanField(
        label="Let this organization's requests through",
        required=False,
        help_text="While it is off, no token is issued and every request is refused within a second.",
    )
    audiences = forms.CharField(
        label="Audiences",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Whom a token is for (aud), one a line; the Envoy accepts one of them.",
    )
    token_seconds = forms.IntegerField(
        label="Token lifetime, in seconds",
        min_value=SHORTEST_TOKEN,
        max_value=LONGEST_TOKEN,
        help_text=f"{SHORTEST_TOKEN} to {LONGEST_TOKEN}. Whoever asks again gets the same token for half of that time.",
    )
    accepts_api_keys = forms.BooleanField(
        label="Accept API keys directly",
        required=False,
        help_text=ProxySettings._meta.get_field("accepts_api_keys").help_text,
    )
    emits_langsmith_names = forms.BooleanField(
        label="LangSmith names",
        required=False,
        help_text=ProxySettings._meta.get_field("emits_langsmith_names").help_text,
    )
    masked = forms.MultipleChoiceField(
        label="Replace",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(detector.name, detector.label) for detector in DETECTORS.values()],
    )
    on_counter_outage = forms.ChoiceField(
        label="Requests while limits cannot be counted",
        choices=CounterOutage.choices,
        help_text="When the counters do not answer: refusing them keeps every budget, letting them through keeps "
        "applications running.",
    )

    def __init__(self, data: Any = None, *, stored: ProxySettings, editable: bool) -> None:
        initial = {name: getattr(stored, name) for name in self.base_fields}
        initial["audiences"] = "\n".join(stored.audiences)
        super().__init__(data, initial=initial)
        for field in self.fields.values():
            dress(field)
            field.disabled = not editable

    @property
    def sections(self) -> list[tuple[str, str, list[forms.BoundField]]]:
        """Return the fields by heading: (heading, a sentence, fields)."""
        return [(heading, text, [self[name] for name in names]) for heading, text, names in SECTIONS]

    def values(self) -> dict[str, Any]:
        """Return the arguments of `update_proxy_settings`."""
        return {**self.cleaned_data, "audiences": self.cleaned_data["audiences"].splitlines()}
