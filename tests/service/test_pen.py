"""Writers by name, folder and address, and what a bank refused of what they wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from memalpha.agent.endpoint import EndpointModel
from memalpha.agent.model import ScriptedModel
from memalpha.agent.parsing import render_call
from memalpha.agent.writer import PromptStyle, Writer, WriterConfig
from memalpha.errors import ConfigError, ModelError
from memalpha.memory.bank import Bank
from memalpha.memory.entry import Origin
from memalpha.records import Chunk, ToolCall, ToolStatus
from memalpha.service.conversation import Portion
from memalpha.service.pen import Pen, open_writer


def insert(*lines: int) -> str:
    """A call that quotes lines."""
    arguments = {"memory_type": "semantic", "lines": list(lines)}
    return render_call(ToolCall(name="memory_insert", arguments=arguments))


def test_a_writer_is_found_by_whatever_names_it() -> None:
    nano = open_writer("nano")
    assert nano.config.style is PromptStyle.NANO
    assert open_writer(nano) is nano
    model = ScriptedModel([])
    assert (open_writer(model).model, open_writer(model).config.style) == (model, PromptStyle.CHAT)
    served = open_writer("http://127.0.0.1:9/v1#qwen").model
    assert isinstance(served, EndpointModel)
    assert served.name == "qwen"


def test_the_writer_for_conversations_is_not_shown_what_assistants_say() -> None:
    everybody = list(Origin)
    assert [origin for origin in everybody if not Pen("nano-chat").reads(origin)] == [Origin.ASSISTANT]
    assert all(Pen(writer).reads(origin) for writer in ("nano", ScriptedModel([])) for origin in everybody)


def test_a_name_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"#qwen3-4b; add the model"):
        open_writer("http://127.0.0.1:9/v1")
    with pytest.raises(ModelError, match="is not there"):
        open_writer(tmp_path / "nowhere")


def test_without_torch_the_mend_is_named() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from memalpha.errors import MissingExtraError\n"
        "from memalpha.service.pen import open_writer\n"
        "try: open_writer('nano')\n"
        "except MissingExtraError as error: print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'memalpha[train]'" in told
    assert "infer=False" in told


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    pen = Pen("nowhere at all")
    with pytest.raises(ModelError):
        _ = pen.writer
    assert Pen(ScriptedModel([])).passage_tokens == 2_000
    assert Pen(Writer(ScriptedModel([]), WriterConfig(passage_tokens=70))).passage_tokens == 70
    assert Pen(Writer(ScriptedModel([]))).passage_tokens == 200


def test_chunks_are_read_in_order_and_refused_calls_are_told() -> None:
    bank = Bank(count_tokens=len)
    pen = Pen(ScriptedModel([insert(1), insert(7) + "no call", insert(1)]))
    texts = [("User: Ann has a dog.", Origin.USER), ("User: Hi.", Origin.USER), ("Tool: It rains.", Origin.TOOL)]
    read = [Portion(chunk=Chunk(text=text), origins=(origin,)) for text, origin in texts]
    refused = pen.write(bank, read, 5)
    assert [(each.text, each.provenance.chunk, each.provenance.origin) for each in map(bank.get, (1, 2))] == [
        ("User: Ann has a dog.", 5, Origin.USER),
        ("Tool: It rains.", 7, Origin.TOOL),
    ]
    assert [each.status for each in refused] == [ToolStatus.BAD_ARGUMENTS]
    assert "got 7 in lines" in refused[0].message
    assert insert(7) == refused[0].asked
