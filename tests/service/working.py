"""Accepts and works off an inbox until it is killed: `working.py FILE` forks a child for each line of its input.

The child says `pid N`, then `accepted USER TEXT` once that is on the disk. What its writer keeps ends in a number of
its own, so that a text that is written twice is seen twice.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from itertools import count
from uuid import uuid4

from memalpha.agent.model import Prompt, ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.memory.store.inbox import Inbox
from memalpha.records import ToolCall
from memalpha.service import Memory
from memalpha.service.worker import Addition, Worker

USERS = ("ana", "bo", "cy")


def keep_once(prompt: Prompt) -> str:
    """Keeps what the user says, marked."""
    (text,) = re.findall(r"User: (\S+)", prompt.messages[-1].content)
    call = {"memory_type": "semantic", "content": f"{text} {uuid4().hex}"}
    return render_call(ToolCall(name="memory_insert", arguments=call))


def tell(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def work(path: str, first: str, kind: str) -> None:
    """Accept without end, as fast as it goes, while the worker reads."""
    tell(f"pid {os.getpid()}")
    memory = Memory(path, user="server", writer=ScriptedModel(keep_once))
    worker = Worker(memory, idle_seconds=0.01)
    if kind == "unsettled":  # killed between the write and the settling
        Inbox.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,return-value]
    worker.start()
    for number in count():
        user = USERS[number % len(USERS)]
        text = f"{first}-{number}"
        Addition(messages=[{"role": "user", "content": text}]).post(memory.for_user(user))
        tell(f"accepted {user} {text}")
        worker.wake()
        time.sleep(0.002)


def main() -> None:
    """Fork a child for each line, which becomes a part of its texts."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if not os.fork():
            work(sys.argv[1], *line.split())


if __name__ == "__main__":
    main()
