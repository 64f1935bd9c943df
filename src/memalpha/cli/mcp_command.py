"""`memalpha mcp`: the memory of one user for an agent, on standard input and output."""

from __future__ import annotations

from typing import Annotated

import typer

from memalpha.cli.extras import need
from memalpha.memory.entry import Origin


def mcp(
    user: Annotated[str, typer.Option(help="Whose memory it is; the agent cannot reach another.")],
    store: Annotated[str, typer.Option(help="A file, made where there is none, or postgresql://...")] = "memory.db",
    tenant: Annotated[str, typer.Option(help="Of which application or organisation.")] = "default",
    writer: Annotated[
        str, typer.Option(help="What decides what is kept: nano-chat, a model's folder, or http://host/v1#model.")
    ] = "nano-chat",
    trust: Annotated[
        Origin, typer.Option(help="Whose words the agent may claim at most; it changes nothing that is trusted more.")
    ] = Origin.ASSISTANT,
    raw: Annotated[bool, typer.Option(help="Keep each text as it is and ask no writer.")] = False,
    read_only: Annotated[bool, typer.Option(help="Offer only the tools that change nothing.")] = False,
) -> None:
    """Give an agent the memory of one user over the Model Context Protocol, on standard input and output.

    An MCP client starts this command itself and ends it by closing its input.
    """
    need("mcp", "mcp")
    from memalpha.serve.mcp_server import run_stdio
    from memalpha.service import Access, Memory

    with Memory(store, user=user, tenant=tenant, writer=writer) as memory:
        run_stdio(Access(memory=memory, trust=trust, writes=not read_only, infer=not raw))
