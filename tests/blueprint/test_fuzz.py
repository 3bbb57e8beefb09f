"""Whatever stands in a file, it is understood or refused with a place: nothing else is ever raised."""

import copy
import re
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.blueprint.document import understand
from portal.blueprint.problems import BlueprintError, Path
from portal.blueprint.reader import parse
from tests.blueprint.test_document import example

texts = st.text(max_size=20)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
quick = settings(
    max_examples=150, derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def places(node: Any, path: Path = ()) -> list[Path]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


EXAMPLE = yaml.safe_load(example())
PLACES = places(EXAMPLE)[1:]


def understood(text: str) -> None:
    lines = []
    try:
        understand(parse(text, name="f.yaml"))
    except BlueprintError as refusal:
        lines = str(refusal).split("\n")
    for line in lines:
        assert re.match(r"f\.yaml(:\d+){0,2}: |… and ", line), line
        assert line.isprintable()


@quick
@given(text=texts)
def test_any_text(text: str) -> None:
    understood(text)


@quick
@given(place=st.sampled_from(PLACES), value=anything, rename=st.booleans(), name=texts)
def test_the_example_with_one_thing_wrong(place: Path, value: Any, rename: bool, name: str) -> None:
    data = copy.deepcopy(EXAMPLE)
    parent: Any = data
    for part in place[:-1]:
        parent = parent[part]
    if rename and isinstance(parent, dict):
        parent[name] = parent.pop(place[-1])
    else:
        parent[place[-1]] = value
    understood(yaml.safe_dump(data, allow_unicode=True))
