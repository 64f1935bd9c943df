"""A server of memories to be killed: `serving_memories.py FILE` prints its address and serves until it is."""

from __future__ import annotations

import sys
import threading

from memalpha.agent.model import ScriptedModel
from memalpha.serve.launch import serving
from memalpha.serve.memory_app import memory_app
from memalpha.service import Memory


def main() -> None:
    memory = Memory(sys.argv[1], user="server", writer=ScriptedModel(lambda _: ""))
    with serving(memory_app(memory)) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
