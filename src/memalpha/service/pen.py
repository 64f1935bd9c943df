"""The writer of a memory, opened when it is first asked for and asked by one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.model import Model
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig, style_of
from memalpha.errors import ConfigError, MissingExtraError
from memalpha.memory.bank import Bank
from memalpha.records import ToolStatus
from memalpha.service.conversation import Portion
from memalpha.service.records import Refusal

PASSAGE_TOKENS = {PromptStyle.NANO: 200, PromptStyle.CHAT: 2_000}
"""Longer messages are read in parts; the shipped policy is trained on short ones."""
UNREAD = {"nano-chat": frozenset({"assistant"})}
"""Messages of which roles a shipped writer is not shown. Of what assistants say it keeps one line in eighty, and none
of these was asked for, but reading them takes nearly all of its time (docs/operations.md)."""
_URL = ("http://", "https://")


class Pen:
    """What decides what of a message is kept."""

    def __init__(self, source: str | Path | Model | Writer) -> None:
        """Nothing is loaded yet; the argument is that of `Memory`."""
        self._source = source
        self._writer: Writer | None = None
        self._lock = Lock()

    @property
    def writer(self) -> Writer:
        """The writer; raises `ConfigError`, `ModelError` or `MissingExtraError` when it cannot be opened."""
        with self._lock:
            if self._writer is None:
                self._writer = open_writer(self._source)
            return self._writer

    @property
    def passage_tokens(self) -> int:
        """How long a chunk for this writer may be."""
        config = self.writer.config
        return config.passage_tokens or PASSAGE_TOKENS[config.style]

    def reads(self, role: str) -> bool:
        """Whether the writer is shown messages of a role."""
        return role not in UNREAD.get(str(self._source), ())

    def write(self, bank: Bank, portions: Sequence[Portion], first_source: int) -> tuple[Refusal, ...]:
        """Read chunks into a bank, one after the other; returns the calls that the bank refused."""
        writer = self.writer
        refused: list[Refusal] = []
        with self._lock:
            for number, portion in enumerate(portions, start=first_source):
                step = writer.write(bank, portion.chunk, number, origins=portion.origins)
                refused += [
                    Refusal(asked=call.text or call.name, status=result.status, message=result.message)
                    for call, result in zip(step.calls, step.results, strict=True)
                    if result.status is not ToolStatus.OK
                ]
        return tuple(refused)


def open_writer(source: str | Path | Model | Writer) -> Writer:
    """A writer by name, folder or address, or around a model.

    Args:
        source: A shipped name, such as "nano-chat"; the folder or hub name of a causal language model;
            "http://host/v1#model" for a model on an OpenAI-compatible server; a model; or a writer, which is returned
            as it is.

    Raises:
        ConfigError: An address without the name of a model.
        ModelError: A folder that is no model.
        MissingExtraError: A model in this process needs torch and transformers.
    """
    if isinstance(source, Writer):
        return source
    if isinstance(source, str) and source.startswith(_URL):
        base, _, name = source.partition("#")
        if not name:
            raise ConfigError(
                f"got {source}, expected an address and a model, such as {source}#qwen3-4b; add the model"
            )
        return Writer(EndpointModel(base, name), WriterConfig(style=PromptStyle.CHAT))
    if not isinstance(source, str | Path):
        return Writer(source, WriterConfig(style=PromptStyle.CHAT))
    try:
        from memalpha.agent.local import load_local
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the writer {source} needs {error.name}, which is not installed; run pip install 'memalpha[train]', name "
            "a model on a server, or store texts as they are with infer=False"
        ) from error
    model = load_local(source)
    return Writer(model, WriterConfig(style=style_of(model.chat_template)))
