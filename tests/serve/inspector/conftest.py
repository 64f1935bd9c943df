"""A real Chromium without a window, driven over the DevTools protocol through a pipe, and a real server to look into.

No driver and no other library: the protocol is JSON with zero bytes between.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memalpha.agent.model import ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.reader import ExtractiveReader
from memalpha.agent.writer import Writer
from memalpha.episode import Trace, run_episode
from memalpha.memory.entry import MemoryKind, Origin, Provenance
from memalpha.memory.store import Right
from memalpha.records import Chunk, Episode, Question, ToolCall
from memalpha.rewards import RewardPreset, RewardWeights, RuleValidator, reward
from memalpha.serve.launch import serving
from memalpha.serve.memory_app import memory_app
from memalpha.service.memory import Memory
from memalpha.traces import keep_trace

PATIENCE_SECONDS = 20
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_ONTO_3_AND_4 = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_KEYS = {
    "Tab": (9, ""),
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    " ": (32, " "),
    "End": (35, ""),
    "Home": (36, ""),
    "ArrowLeft": (37, ""),
    "ArrowUp": (38, ""),
    "ArrowRight": (39, ""),
    "ArrowDown": (40, ""),
}


class Chromium:
    """The browser; each page has a context of its own, with nothing in its storage."""

    def __init__(self, program: str, folder: Path) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()
        flags = [
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
            "--no-sandbox",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ONTO_3_AND_4, str(to_browser[0]), str(from_browser[1]), program, *flags],
            pass_fds=(to_browser[0], from_browser[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._in, self._out = to_browser[1], from_browser[0]
        self._buffer = b""
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its result; events that come meanwhile are kept."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._sent:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            read = os.read(self._out, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def close(self) -> None:
        self.call("Browser.close")
        self._process.wait(PATIENCE_SECONDS)
        os.close(self._in)
        os.close(self._out)


class Page:
    """A tab, as a person with a keyboard has it."""

    def __init__(self, browser: Chromium) -> None:
        self._browser = browser
        self._context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self._context)["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Accessibility"):
            self.call(f"{domain}.enable")
        self.size(1280, 900)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def reset(self) -> None:
        """Forget what was seen, and be as wide and as bright as at first."""
        self._browser.events.clear()
        self.size(1280, 900)
        self.prefer()
        self.run("localStorage.clear(); delete document.documentElement.dataset.theme")

    def open(self, url: str) -> None:
        """Go there and wait for the view. The same address up to its "#" loads nothing anew."""
        self.call("Page.navigate", url=url)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing loads any more."""
        self.until("document.readyState === 'complete' && !!document.querySelector('#main > *')")
        self.until("!document.querySelector('[aria-busy]')")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"waited in vain for {condition}; the page shows: {self.text()[:2000]}"
            time.sleep(0.02)

    def text(self, selector: str = "body") -> str:
        """What a person reads there."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def focused(self) -> str:
        """The name of what has the focus, as it is read out."""
        named = "each.ariaLabel || each.labels?.[0]?.innerText || each.innerText || each.id"
        node = self.run(f"((each) => each === document.body ? '' : {named})(document.activeElement)")
        return " ".join(str(node).split())

    def press(self, key: str, *, times: int = 1, shift: bool = False) -> None:
        """A key that is no letter."""
        code, text = _KEYS[key]
        about = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
        for _ in range(times):
            down = "keyDown" if text else "rawKeyDown"
            self.call("Input.dispatchKeyEvent", type=down, text=text, modifiers=8 * shift, **about)
            self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=8 * shift, **about)

    def write(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def tab_to(self, name: str, *, most: int = 60) -> None:
        """Press Tab until what has this name has the focus."""
        seen = []
        for _ in range(most):
            self.press("Tab")
            seen.append(self.focused())
            if name in seen[-1]:
                return
        raise AssertionError(f"no {name!r} with the keyboard; seen: {seen}")

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def prefer(self, **features: str) -> None:
        """Settings of the system, such as prefers_color_scheme="dark"; without any those of a new one."""
        told = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=told)

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def seen(self, method: str) -> list[dict[str, Any]]:
        """The events of a kind so far."""
        self.run("0")
        return [
            dict(event["params"])
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] == method
        ]

    def problems(self) -> list[str]:
        """What stands in the console as an error."""
        thrown = [each["exceptionDetails"] for each in self.seen("Runtime.exceptionThrown")]
        logged = [each["entry"] for each in self.seen("Log.entryAdded") if each["entry"]["level"] == "error"]
        said = [each["args"] for each in self.seen("Runtime.consoleAPICalled") if each["type"] == "error"]
        return [json.dumps(each) for each in (*thrown, *logged, *said)]

    def requests(self) -> list[str]:
        """Every address that was asked for."""
        return [each["request"]["url"] for each in self.seen("Network.requestWillBeSent")]

    def close(self) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser of this machine; without one a test is skipped, or fails where browsers are required."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        mend = "no Chromium is installed; install it with `apt-get install chromium`, or `make browser`"
        (pytest.fail if os.environ.get("MEMALPHA_BROWSER") == "required" else pytest.skip)(mend)
    browser = Chromium(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def new_page(chromium: Chromium) -> Iterator[Page]:
    """A tab that nobody has used."""
    page = Page(chromium)
    yield page
    page.close()


@pytest.fixture(scope="module")
def tab(chromium: Chromium, served: Served) -> Iterator[Page]:
    """A tab with the key that may write, for all tests of a module: opening one takes most of the time."""
    page = Page(chromium)
    page.open(f"{served.url}#key={served.writer_key}")
    yield page
    page.close()


@pytest.fixture
def page(tab: Page) -> Page:
    tab.reset()
    return tab


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server with memories and runs, and keys of one tenant."""

    url: str
    """Of the page."""
    memory: Memory
    writer_key: str
    reader_key: str

    def view(self, view: str) -> str:
        """The address of a view, such as "users/ana/memory"."""
        return f"{self.url}#/{view}"


HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
"""A text that would run if it became markup."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("inspected")
    make_runs(folder / "runs")
    quote = render_call(ToolCall(name="memory_insert", arguments={"memory_type": "semantic", "lines": [1]}))
    with Memory(folder / "memory.db", user="ana", writer=Writer(ScriptedModel(lambda _: quote))) as memory:
        fill(memory)
        keys = memory.store.keys
        _, writer_key = keys.create("default", "both", [Right.READ, Right.WRITE])
        _, reader_key = keys.create("default", "looks", [Right.READ])
        with serving(memory_app(memory, runs=folder / "runs")) as url:
            yield Served(url=f"{url}/inspector/", memory=memory, writer_key=writer_key, reader_key=reader_key)


def fill(memory: Memory) -> None:
    """Twelve operations of ana: eight texts, one in other words twice, one deleted, and one core; others have one.

    Writers quote the first line of what they read.
    """
    texts = [
        "Ana moved to Lisbon.",
        "Ana's dog is called Rex.",
        "Ana drinks mint tea.",
        HOSTILE,
        "Invoice \u202egpj.exe\u202c from \u200bBob, 5\u00a0€.",
        "اسم القطة هو مشمش",
        "A very long word: " + "Donaudampfschiffahrt" * 12,
    ]
    for day, text in enumerate(texts, start=1):
        memory.add(text, at=f"2026-05-{day:02d}T09:30", infer=False)
    memory.add("The lease ends in June.", at="2026-05-09", infer=False, origin=Origin.DOCUMENT)
    memory.update(2, "Ana's dog is called Max.")
    memory.update(2, "Ana's dog is called Max, a whippet.")
    memory.delete(3)
    memory.update(MemoryKind.CORE, "Ana likes short answers.")
    for user in ("ben", HOSTILE.replace("/", ""), "zoë & söhne?#%"):
        memory.for_user(user).add("Likes tea.", at="2026-05-01", infer=False)
    with memory.for_user("many").scope.edit() as bank:
        for number in range(1, 2501):
            bank.insert(MemoryKind.SEMANTIC, f"Note number {number}.", Provenance())
    memory.for_user("gil").add("Gil plays chess.\nHello there.", at="2026-05-01")


def make_runs(folder: Path) -> None:
    """Two training runs, one of them with traces."""
    for name, steps, slope in (("first", 40, 0.02), ("second", 30, 0.01)):
        run = folder / name
        run.mkdir(parents=True)
        (run / "run.json").write_text(json.dumps({"run": {"seed": steps, "steps": 40}}), encoding="utf-8")
        rows: list[dict[str, float]] = [
            {"step": step, "correctness": slope * step, "memory_share": 0.3, "write_rate": 0.9}
            for step in range(1, steps + 1)
        ]
        rows[9]["validation_score"], rows[19]["validation_score"] = 0.25, 0.5
        (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    trace = traced()
    earned = reward(trace, preset=RewardPreset.DEFAULT, validator=RuleValidator(), count_tokens=count_words)
    keep_trace(folder / "first", "step-000010-best", trace, earned, RewardWeights())


def traced() -> Trace:
    """Three chunks: one stored, one that changes it, one with a refused call; one question of two is answered."""
    chunks = ("Ann's dog is called Rex.\nHello there.", "Ann's dog is called Max now.", f"The weather: {HOSTILE}")
    asked = (("What is Ann's dog called?", "Max", 1), ("Where is the lighthouse?", "Porto", 2))
    episode = Episode(
        id="dogs",
        chunks=tuple(Chunk(text=text, time=f"2026-05-0{day}") for day, text in enumerate(chunks, start=1)),
        questions=tuple(Question(text=text, answers=(gold,), evidence=(at,)) for text, gold, at in asked),
    )
    calls = (
        ("memory_insert", {"memory_type": "semantic", "lines": [1]}),
        ("memory_update", {"memory_type": "semantic", "memory_id": 1, "lines": [1]}),
        ("memory_delete", {"memory_type": "semantic", "memory_id": 7}),
    )
    script = [render_call(ToolCall(name=name, arguments=arguments)) for name, arguments in calls]
    return run_episode(Writer(ScriptedModel(script)), ExtractiveReader(), episode, count_tokens=count_words)


def count_words(text: str) -> int:
    return len(text.split())
