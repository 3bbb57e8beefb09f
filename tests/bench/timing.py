"""Timing that compares like with like: the candidates take turns, and the median of each counts."""

import statistics
import time
from collections.abc import Callable


def medians(rounds: int, **candidates: Callable[[], object]) -> dict[str, float]:
    """Return the median time of one call of each candidate, in milliseconds.

    Args:
        rounds: how often each is called; the candidates take turns, so that a busy moment hits them alike.
        candidates: what to call, by name.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for call in candidates.values():
        call()  # plans and caches are warm, as in a running server
    for _ in range(rounds):
        for name, call in candidates.items():
            started = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def report(title: str, measured: dict[str, float], baseline: str) -> None:
    """Print each candidate's time and its ratio to the baseline."""
    print(f"\n{title}")
    for name, milliseconds in measured.items():
        print(f"  {name:<28} {milliseconds:8.3f} ms   {milliseconds / measured[baseline]:6.2f} × {baseline}")
