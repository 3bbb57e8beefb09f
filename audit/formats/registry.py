"""Every format by its name."""

from .base import Format
from .csv_lines import CSV
from .ndjson import NDJSON
from .ocsf import OCSF
from .parquet import PARQUET

FORMATS: dict[str, Format] = {each.name: each for each in (NDJSON, CSV, PARQUET, OCSF)}
