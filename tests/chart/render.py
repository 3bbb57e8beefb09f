"""Renders the chart with values from standard input; run by the Python of .venv/chart, which has Helm's library.

Prints JSON: {"manifests": {file: text}}, or {"refused": message}.
"""

import json
import sys
from pathlib import Path

import helm_python

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "gatehouse-auth-proxy"


def main() -> None:
    """Render, or lint with the argument ``lint``."""
    values = json.load(sys.stdin)
    if sys.argv[1:] == ["lint"]:
        sys.stdout.write(json.dumps(helm_python.lint(CHART, values, strict=True)))
        return
    chart = helm_python.Chart.load(CHART)
    try:
        chart.validate_schema(values)
        sys.stdout.write(json.dumps({"manifests": chart.render(values, name="llm", namespace="ai")}))
    except helm_python.HelmError as error:
        sys.stdout.write(json.dumps({"refused": str(error)}))


main()
