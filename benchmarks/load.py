"""The memory server under load, as its users run it: a process of its own, HTTP, keys, a SQLite file.

    python benchmarks/load.py --clients 200 --seconds 60     many clients at once, without an error
    python benchmarks/load.py --soak-minutes 30              memory of the process over half an hour of steady work

Clients add texts as they are, search, ask for contexts, update, delete and read histories; in the soak a memory holds a
bounded number of entries, so that a server that grows does so by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from record import save

SUBJECTS = ["Ann", "Bo", "Cy", "Di", "Eve", "Finn", "Gil", "Hana", "Ivo", "Jo"]
THINGS = ["tea", "a boat", "chess", "an old car", "figs", "two cats", "maps", "a violin", "rye bread", "orchids"]
VERBS = ["likes", "sold", "bought", "lost", "found", "wants", "repairs", "paints"]
ENTRIES_KEPT = 300
"""Of a user; older ones are deleted or erased."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="0 measures many clients instead")
    options = parser.parse_args()
    with server() as (process, url, key):
        if options.soak_minutes:
            save("soak", soak(process, url, key, options.soak_minutes), seeds=[])
        else:
            save("clients", crowd(url, key, options.clients, options.seconds), seeds=[])


@contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A server on a free port with an empty store, and a key for it."""
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "memory.db")
        memalpha = [sys.executable, "-m", "memalpha"]
        made = subprocess.run(
            [*memalpha, "keys", "create", "--store", store, "--tenant", "acme"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        key = made.stdout.strip()
        process = subprocess.Popen(
            [*memalpha, "serve", "--store", store, "--port", "0", "--rate", "1000000"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = next(line for line in process.stdout if "http://" in line)
            yield process, re.findall(r"http://[\w.:]+", line)[0], key
        finally:
            process.terminate()
            process.wait(60)


@dataclass
class Tally:
    """What clients met with."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)

    def met(self, what: str, status: str, seconds: float) -> None:
        self.seconds.setdefault(what, []).append(seconds)
        self.statuses[status] += 1

    def table(self) -> dict[str, Any]:
        parts = {}
        for what, each in sorted(self.seconds.items()):
            p50_ms, p95_ms = (1000 * float(np.percentile(each, share)) for share in (50, 95))
            parts[what] = {"requests": len(each), "p50_ms": p50_ms, "p95_ms": p95_ms}
        return {"statuses": dict(self.statuses), "calls": parts}


class Client:
    """One user, who does what comes to mind."""

    def __init__(self, http: httpx.AsyncClient, user: str, tally: Tally) -> None:
        self.http, self.user, self.tally = http, user, tally
        self.rng = random.Random(user)
        self.ids: list[int] = []
        self.said = 0

    async def act(self) -> None:
        draw = self.rng.random()
        if draw < 0.4 or not self.ids:
            await self.add()
        elif draw < 0.7:
            await self.call("search", "POST", "search", {"query": self.sentence()})
        elif draw < 0.8:
            await self.call("context", "POST", "context", {"query": self.sentence(), "max_tokens": 200})
        elif draw < 0.9:
            await self.call("update", "PATCH", f"memories/{self.rng.choice(self.ids)}", {"text": self.sentence()})
        else:
            await self.call("history", "GET", f"memories/{self.rng.choice(self.ids)}/history")
        if len(self.ids) > ENTRIES_KEPT:
            await self.call("delete", "DELETE", f"memories/{self.ids.pop(0)}")

    def sentence(self) -> str:
        self.said += 1
        pick = self.rng.choice
        return f"{pick(SUBJECTS)} {pick(VERBS)} {pick(THINGS)} on day {self.said}"

    async def add(self) -> None:
        answer = await self.call("add", "POST", "memories", {"text": self.sentence(), "infer": False})
        self.ids += [each["id"] for each in answer.get("operations", ()) if each.get("id")]

    async def call(self, what: str, method: str, path: str, body: object = None) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            answer = await self.http.request(method, f"/v1/users/{self.user}/{path}", json=body)
        except httpx.HTTPError as error:
            self.tally.met(what, type(error).__name__, time.perf_counter() - began)
            return {}
        self.tally.met(what, str(answer.status_code), time.perf_counter() - began)
        found: dict[str, Any] = answer.json() if answer.status_code == 200 and method == "POST" else {}
        return found


def opened(url: str, key: str, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=60)


def crowd(url: str, key: str, clients: int, seconds: int) -> dict[str, Any]:
    """Many clients at once, each with a user of its own and a connection of its own."""
    tally = Tally()

    async def run() -> None:
        async with opened(url, key, clients) as http:
            ends = time.monotonic() + seconds

            async def live(client: Client) -> None:
                while time.monotonic() < ends:
                    await client.act()

            await asyncio.gather(*(live(Client(http, f"user-{number}", tally)) for number in range(clients)))

    asyncio.run(run())
    found = {"clients": clients, "seconds": seconds, **tally.table()}
    print(found)
    return found


def soak(process: subprocess.Popen[str], url: str, key: str, minutes: float) -> dict[str, Any]:
    """Eight users at a steady pace; resident memory of the server every ten seconds."""
    tally = Tally()
    samples: list[tuple[float, float]] = []

    async def run() -> None:
        async with opened(url, key, 8) as http:
            users = [Client(http, f"user-{number}", tally) for number in range(8)]
            began = time.monotonic()
            while (now := time.monotonic() - began) < 60 * minutes:
                if now >= 10 * len(samples):
                    samples.append((now, resident_mib(process.pid)))
                    print(samples[-1], flush=True)
                await asyncio.gather(*(user.act() for user in users))
                await asyncio.sleep(0.1)

    asyncio.run(run())
    steady = np.array([each for each in samples if each[0] > 60 * minutes / 3])
    slope = float(np.polyfit(steady[:, 0] / 3600, steady[:, 1], 1)[0])
    return {
        "minutes": minutes,
        "samples": samples,
        "mib_first_third": float(np.mean([mib for seconds, mib in samples if seconds <= 60 * minutes / 3])),
        "mib_last_third": float(np.mean([mib for seconds, mib in samples if seconds > 40 * minutes])),
        "mib_per_hour": slope,
        **tally.table(),
    }


def resident_mib(pid: int) -> float:
    """Resident memory of a process, as Linux tells it."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
