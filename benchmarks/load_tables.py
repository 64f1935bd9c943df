"""The sections of docs/operations.md about the server under load: many clients, and half an hour of steady work."""

from __future__ import annotations

from typing import Any

from page import table

Row = dict[str, Any]


def clients(found: Row) -> str:
    requests = sum(found["statuses"].values())
    return (
        calls(found)
        + f"\n{found['clients']} clients with a user each for {found['seconds']} seconds: {requests:,} requests, "
        f"{requests / found['seconds']:.0f} a second, answered with {statuses(found)}. Server and clients share the "
        "machine.\n"
    )


def soak(found: Row) -> str:
    every = max(1, len(found["samples"]) // 10)
    curve = [[f"{seconds / 60:.0f}", f"{mib:.0f}"] for seconds, mib in found["samples"][::every]]
    return (
        table(["minute", "MiB"], curve)
        + f"\nEight users at a steady pace for {found['minutes']:g} minutes, each with at most 300 entries: "
        f"{sum(found['statuses'].values()):,} requests, answered with {statuses(found)}. Resident memory of the "
        f"server: {found['mib_first_third']:.0f} MiB in the mean of the first third, {found['mib_last_third']:.0f} in "
        f"that of the last, a slope of {found['mib_per_hour']:+.1f} MiB an hour over the last two thirds.\n"
    )


def calls(found: Row) -> str:
    body = [
        [name, f"{each['requests']:,}", f"{each['p50_ms']:.0f}", f"{each['p95_ms']:.0f}"]
        for name, each in found["calls"].items()
    ]
    return table(["call", "requests", "p50 (ms)", "p95 (ms)"], body)


def statuses(found: Row) -> str:
    return ", ".join(f"{status} ({count:,})" for status, count in sorted(found["statuses"].items()))


SECTIONS = {"clients": clients, "soak": soak}
