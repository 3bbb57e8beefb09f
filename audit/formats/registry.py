"""Every format by its name."""

from .base import Format
from .cef import CEF
from .cloudevents import CLOUDEVENTS
from .csv_lines import CSV
from .ecs import ECS
from .leef import LEEF
from .ndjson import NDJSON
from .ocsf import OCSF
from .parquet import PARQUET

FORMATS: dict[str, Format] = {each.name: each for each in (NDJSON, CSV, PARQUET, OCSF)}
"""What evidence exports are written in."""

RECORD_FORMATS: dict[str, Format] = {each.name: each for each in (NDJSON, OCSF, ECS, CLOUDEVENTS, CEF, LEEF)}
"""What sinks send, a record for each event."""

TEXT_FORMATS = frozenset({CEF.name, LEEF.name})
"""Those of `RECORD_FORMATS` that are no JSON."""

PROVABLE_FORMATS = frozenset({NDJSON.name, CLOUDEVENTS.name})
"""Those that carry the leaf, where the sink sends proofs."""
