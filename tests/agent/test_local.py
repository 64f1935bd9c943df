"""Sampling in process, held to transformers' own `generate` and to full forward passes; and what loading refuses."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, Qwen3Config

from memalpha.agent.local import SHIPPED, LocalModel, load_local
from memalpha.agent.model import Completion, Prompt, Sampling
from memalpha.agent.tokens import NANO_FOLDER
from memalpha.errors import ConfigError, ModelError
from memalpha.records import Message, Role

SIZES: dict[str, Any] = {"vocab_size": 2048, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 1}
END = 1
MANY_ENDS = [END, *range(1100, 1500)]
"""About a fifth of the vocabulary, so that random rows end at many lengths."""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(NANO_FOLDER)


@pytest.fixture(scope="module", params=["lfm2", "qwen3", "gpt2"])
def model(request: pytest.FixtureRequest, tokenizer: Any, tiny_network: Callable[..., Any]) -> LocalModel:
    """GPT-2 has learned positions, which tell where a text begins; rotary ones do not."""
    network = tiny_network(request.param, **SIZES)
    network.generation_config.eos_token_id = MANY_ENDS
    return LocalModel(network, tokenizer)


def random_prompts(n: int, longest: int = 24) -> list[Prompt]:
    """Prompts of 1 to `longest` random tokens, in no order of length."""
    generator = torch.Generator().manual_seed(n)
    lengths = torch.randint(1, longest + 1, (n,), generator=generator).tolist()
    return [
        Prompt(tokens=tuple(torch.randint(10, 2048, (length,), generator=generator).tolist())) for length in lengths
    ]


def logprobs_of_full_pass(model: LocalModel, completion: Completion, temperature: float) -> torch.Tensor:
    """Log-probabilities of the completion by one pass over prompt and completion, alone, without padding or cache."""
    ids = torch.tensor([[*completion.prompt_ids, *completion.token_ids]])
    with torch.inference_mode():
        logits = model.network(input_ids=ids, use_cache=False).logits[0, len(completion.prompt_ids) - 1 : -1]
    chosen = torch.tensor(completion.token_ids)[:, None]
    return torch.log_softmax(logits.float() / temperature, dim=-1).gather(1, chosen)[:, 0]


@contextmanager
def watched(model: LocalModel) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of the ids of every forward pass."""
    shapes: list[tuple[int, ...]] = []
    hook = model.network.register_forward_pre_hook(
        lambda _, __, arguments: shapes.append(tuple(arguments["input_ids"].shape)), with_kwargs=True
    )
    yield shapes
    hook.remove()


def test_greedy_equals_generate(model: LocalModel) -> None:
    prompts = random_prompts(12)
    found = model.complete(prompts, Sampling(max_tokens=20))
    for prompt, completion in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt.tokens])
        expected = model.network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=20)
        assert list(completion.token_ids) == expected[0, ids.shape[1] :].tolist()
        assert completion.prompt_ids == prompt.tokens
    assert len({len(each.token_ids) for each in found}) > 3


def test_batched_equals_one_by_one(model: LocalModel) -> None:
    prompts = random_prompts(20)
    together = model.complete(prompts, Sampling(max_tokens=16))
    alone = [model.complete([prompt], Sampling(max_tokens=16))[0] for prompt in prompts]
    assert [each.token_ids for each in together] == [each.token_ids for each in alone]
    assert [each.text for each in together] == [each.text for each in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_logprobs_are_those_of_a_full_pass(model: LocalModel, temperature: float) -> None:
    with watched(model) as shapes:
        found = model.complete(random_prompts(24), Sampling(temperature=temperature, max_tokens=16, seed=3))
    for completion in found:
        expected = logprobs_of_full_pass(model, completion, temperature or 1.0)
        assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-5)
    rows = [rows for rows, width in shapes[-16:] if width == 1]
    assert max(rows) > 12
    assert 0 < rows[-1] <= 8, "no rows left the batch; the test would not see that their states move along"


def test_the_same_seed_draws_the_same_and_another_one_does_not(model: LocalModel) -> None:
    prompts = random_prompts(10)
    draws = [model.complete(prompts, Sampling(temperature=1.0, max_tokens=8, seed=seed)) for seed in (5, 5, 6, None)]
    drawn = [[each.token_ids for each in draw] for draw in draws]
    assert draws[0] == draws[1]
    assert drawn[0] != drawn[2]
    assert drawn[3] not in drawn[:3]


def test_prompts_that_are_alike_are_drawn_apart(model: LocalModel) -> None:
    found = model.complete(random_prompts(1) * 8, Sampling(temperature=1.0, max_tokens=8, seed=0))
    assert len({each.token_ids for each in found}) > 4


def test_a_batch_is_bounded_in_tokens(tokenizer: Any, tiny_network: Callable[..., Any]) -> None:
    network = tiny_network("qwen3", **SIZES)
    prompts = random_prompts(15)
    whole = LocalModel(network, tokenizer).complete(prompts, Sampling(max_tokens=6))
    small = LocalModel(network, tokenizer, sample_tokens=90)
    with watched(small) as shapes:
        assert [each.token_ids for each in small.complete(prompts, Sampling(max_tokens=6))] == [
            each.token_ids for each in whole
        ]
    longest = max(len(prompt.tokens or ()) for prompt in prompts)
    assert 1 < max(rows for rows, _ in shapes) <= 90 // (longest - 6)
    tiny = LocalModel(network, tokenizer, sample_tokens=1)
    assert len(tiny.complete(prompts, Sampling(max_tokens=6))) == 15


class Chain(torch.nn.Module):
    """A Markov chain in place of a network: the next token hangs on the last one alone."""

    device, config = torch.device("cpu"), None

    def __init__(self, chances: dict[int, dict[int, float]], ends: int | list[int] | None = None) -> None:
        super().__init__()
        self.generation_config = SimpleNamespace(eos_token_id=ends)
        self.table = torch.full((2048, 2048), -1e9)
        for token, following in chances.items():
            for after, chance in following.items():
                self.table[token, after] = math.log(chance)

    def forward(self, *, input_ids: torch.Tensor, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(logits=self.table[input_ids[:, -1:]])


class Teller(torch.nn.Module):
    """Says what it is told to after a prompt of one token."""

    device, config, generation_config = torch.device("cpu"), None, None

    def __init__(self, ids: list[int]) -> None:
        super().__init__()
        self.ids = ids

    def forward(self, *, attention_mask: torch.Tensor, **_: Any) -> SimpleNamespace:
        logits = torch.full((1, 1, 2048), -1e9)
        logits[0, 0, self.ids[attention_mask.shape[1] - 1]] = 0.0
        return SimpleNamespace(logits=logits)


def teller(tokenizer: Any, text: str) -> LocalModel:
    return LocalModel(Teller([*tokenizer(text, add_special_tokens=False)["input_ids"], END]), tokenizer)


def say(model: LocalModel, max_tokens: int = 50) -> Completion:
    return model.complete([Prompt(tokens=(7,))], Sampling(max_tokens=max_tokens))[0]


def test_the_end_token_is_kept_in_the_ids_and_not_in_the_text(tokenizer: Any) -> None:
    ids = tokenizer("Ann sails", add_special_tokens=False)["input_ids"]
    model = teller(tokenizer, "Ann sails")
    found = say(model)
    assert (found.text, found.prompt_ids, found.token_ids, found.finished) == ("Ann sails", (7,), (*ids, END), True)
    assert found.logprobs == (0.0,) * (len(ids) + 1)
    assert model.tokens_sampled == len(ids) + 1


def test_a_completion_is_cut_at_max_tokens(tokenizer: Any) -> None:
    ids = tokenizer("Ann sails", add_special_tokens=False)["input_ids"]
    cut = say(teller(tokenizer, "Ann sails"), len(ids))
    assert (cut.token_ids, cut.text, cut.finished) == (tuple(ids), "Ann sails", False)
    short = say(teller(tokenizer, "Ann sails"), 1)
    assert (short.token_ids, short.text, short.finished) == ((ids[0],), tokenizer.decode(ids[:1]), False)
    assert say(teller(tokenizer, "Ann sails"), len(ids) + 1).finished


def test_a_completion_that_ends_at_once_is_empty(tokenizer: Any) -> None:
    found = say(LocalModel(Chain({7: {END: 1.0}}), tokenizer))
    assert (found.text, found.token_ids, found.finished) == ("", (END,), True)


def test_thoughts_are_no_text_and_an_open_thought_is_unfinished(tokenizer: Any) -> None:
    thought = say(teller(tokenizer, "<think>so it is</think>Ann"))
    assert (thought.text, thought.finished) == ("Ann", True)
    opened = say(teller(tokenizer, "<think>so it is"))
    assert (opened.text, opened.finished) == ("", False)


@pytest.mark.parametrize("text", ["Ann sails", " Ann\n\n digs 4711.", "a🙂b 🙂🙂", "Zoë said 日本"])
def test_offsets_say_where_each_token_starts(tokenizer: Any, text: str) -> None:
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    starts = [start for start, _ in encoded["offset_mapping"]]
    assert say(teller(tokenizer, text)).offsets == (*starts, len(text))
    assert say(teller(tokenizer, text), len(starts)).offsets == tuple(starts)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(2, 2047), max_size=12))
def test_offsets_of_any_tokens_are_places_of_the_text_in_order(tokenizer: Any, ids: list[int]) -> None:
    found = say(LocalModel(Teller([*ids, END]), tokenizer))
    assume(found.offsets != () and found.text == tokenizer.decode(ids, skip_special_tokens=False))
    assert found.offsets[0] == 0
    assert found.offsets[-1] == len(found.text)
    assert len(found.offsets) == len(ids) + 1
    assert list(found.offsets) == sorted(found.offsets)


def test_a_text_without_its_thoughts_has_no_offsets(tokenizer: Any) -> None:
    assert say(teller(tokenizer, "<think>so it is</think>Ann")).offsets == ()


@pytest.mark.parametrize("ends", [None, 9, [8, 9]])
def test_ends_are_those_of_the_network_and_of_the_tokenizer(tokenizer: Any, ends: int | list[int] | None) -> None:
    known = {END, *(ends if isinstance(ends, list) else [] if ends is None else [ends])}
    for token in (END, 8, 9):
        found = say(LocalModel(Chain({7: {token: 1.0}, token: {7: 1.0}}, ends), tokenizer), 3)
        assert found.finished == (token in known)
        assert len(found.token_ids) == (1 if token in known else 3)


def test_rows_that_end_leave_and_the_others_keep_their_own_words(tokenizer: Any) -> None:
    # Token 100 + n needs n steps to END, by way of 100 + n - 1.
    made = LocalModel(Chain({100 + n: {99 + n if n > 1 else END: 1.0} for n in range(1, 31)}), tokenizer)
    starts = [(7 * n) % 30 + 1 for n in range(30)]
    found = made.complete([Prompt(tokens=(9,) * (n % 4) + (100 + n,)) for n in starts], Sampling(max_tokens=25))
    for n, completion in zip(starts, found, strict=True):
        assert list(completion.token_ids) == [*range(99 + n, 100, -1), END][:25]
        assert completion.finished == (n <= 25)
    assert made.tokens_sampled == sum(min(n, 25) for n in starts)


def test_temperature_by_hand(tokenizer: Any) -> None:
    # 3 : 1 becomes 9 : 1 at temperature 1/2.
    made = LocalModel(Chain({7: {8: 0.75, END: 0.25}, 8: {END: 1.0}}), tokenizer)
    (greedy,) = made.complete([Prompt(tokens=(7,))], Sampling(max_tokens=1))
    assert (greedy.token_ids, greedy.logprobs) == ((8,), pytest.approx((math.log(0.75),), abs=1e-6))
    for temperature, chance in ((1.0, 0.75), (0.5, 0.9)):
        sampling = Sampling(temperature=temperature, max_tokens=1, seed=1)
        found = made.complete([Prompt(tokens=(7,))] * 2000, sampling)
        told = {8: math.log(chance), END: math.log(1 - chance)}
        assert all(each.logprobs == pytest.approx((told[each.token_ids[0]],), abs=1e-5) for each in found)
        assert sum(each.token_ids == (8,) for each in found) / 2000 == pytest.approx(chance, abs=0.03)


def test_a_prompt_goes_through_the_template_of_the_tokenizer(tokenizer: Any) -> None:
    model = LocalModel(Chain({}), tokenizer)
    prompt = Prompt(messages=(Message(role=Role.USER, content="<|chunk|>\nHi. #1\n"),))
    assert tokenizer.decode(model.encode(prompt)) == "<|chunk|>\nHi. #1\n<|write|>"
    assert model.encode(Prompt(tokens=(4, 5))) == [4, 5]


def test_a_template_gets_the_tools_and_is_told_not_to_think() -> None:
    own = AutoTokenizer.from_pretrained(NANO_FOLDER)
    own.chat_template = (
        "{% for tool in tools %}{{ tool['function']['name'] }};{% endfor %}"
        "{% for m in messages %}{{ m['role'] }}={{ m['content'] }};{% endfor %}"
        "{{ 'think' if enable_thinking else 'plain' }}"
    )
    model = LocalModel(Chain({}), own)
    prompt = Prompt(
        messages=(Message(role=Role.SYSTEM, content="a"), Message(role=Role.USER, content="b")),
        tools=({"type": "function", "function": {"name": "keep", "parameters": {}}},),
    )
    assert own.decode(model.encode(prompt)) == "keep;system=a;user=b;plain"


def test_a_tokenizer_without_a_template_is_refused() -> None:
    own = AutoTokenizer.from_pretrained(NANO_FOLDER)
    own.chat_template = None
    model = LocalModel(Chain({}), own, name="base")
    with pytest.raises(ConfigError, match="the tokenizer of base has no chat template"):
        model.complete([Prompt(messages=(Message(role=Role.USER, content="x"),))], Sampling())


def test_nothing_asked_is_nothing_said(tokenizer: Any) -> None:
    assert LocalModel(Chain({}), tokenizer).complete([], Sampling()) == []


def test_a_completion_ends_before_the_first_stop_text_and_keeps_the_tokens_that_were_drawn(tokenizer: Any) -> None:
    model = teller(tokenizer, "Ann sails. Bo digs.")
    (whole,) = model.complete([Prompt(tokens=(7,))], Sampling(max_tokens=50))
    (cut,) = model.complete([Prompt(tokens=(7,))], Sampling(max_tokens=50, stop=("digs", "ls. ")))
    assert (cut.text, cut.finished) == ("Ann sai", True)
    assert cut.token_ids == whole.token_ids[: len(cut.token_ids)]
    assert "ls. " in tokenizer.decode(cut.token_ids)
    assert "ls. " not in tokenizer.decode(cut.token_ids[:-1])
    assert max(cut.offsets) <= len(cut.text)
    (unmet,) = model.complete([Prompt(tokens=(7,))], Sampling(max_tokens=50, stop=("Cy",)))
    assert unmet == whole


def test_what_a_template_refuses_is_one_clear_sentence() -> None:
    own = AutoTokenizer.from_pretrained(NANO_FOLDER)
    own.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(ModelError, match=r"chat template of mine refuses these messages \(roles must alternate\)"):
        LocalModel(Chain({}), own, name="mine").encode_chat([{"role": "user", "content": "x"}])


def test_half_a_surrogate_pair_is_refused(tokenizer: Any) -> None:
    with pytest.raises(ModelError, match="half of a surrogate pair"):
        LocalModel(Chain({}), tokenizer).encode_text("a\ud800")


def test_what_a_server_asks_of_a_model(model: LocalModel, tokenizer: Any) -> None:
    assert model.vocabulary == 2048
    assert model.context_tokens == model.network.config.max_position_embeddings
    assert not model.shows_tools
    own = AutoTokenizer.from_pretrained(NANO_FOLDER)
    own.chat_template = "{{ tools }}"
    assert LocalModel(model.network, own).shows_tools
    own.chat_template = None
    assert not LocalModel(model.network, own).shows_tools
    assert model.decode(model.encode_text("<|chunk|>Hi")) == "<|chunk|>Hi"


def test_a_folder_is_loaded_and_speaks_without_a_word_of_transformers(
    tiny_policy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = load_local(tiny_policy)
    again = load_local(str(tiny_policy))
    prompt = Prompt(messages=(Message(role=Role.USER, content="<|chunk|>\nHi. #1\n"),))
    first, second = (each.complete([prompt], Sampling(max_tokens=5))[0] for each in (model, again))
    assert first == second
    assert (len(first.token_ids), model.name) == (5, str(tiny_policy))
    assert not model.network.training
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_loaded_by_name(name: str) -> None:
    if not SHIPPED[name].is_dir():
        pytest.skip(f"{SHIPPED[name]} is not there")
    model = load_local(name)
    prompt = Prompt(messages=(Message(role=Role.USER, content="<|chunk|>\nHi. #1\n"),))
    assert model.name == name
    assert model.tokenizer.decode(model.encode(prompt)).endswith("#1\n<|write|>")
    assert len(model.complete([prompt], Sampling(max_tokens=96))[0].token_ids) >= 1


def refused(name: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_local(name)
    message = str(caught.value)
    assert "\n" not in message
    assert str(name) in message
    assert "expected a folder with config.json, weights and tokenizer, a name on the Hugging Face hub, or" in message
    return message


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    refused(tmp_path)
    assert "is not there" in refused(tmp_path / "gone")
    refused("no-such-model")
    refused("nobody/no-such-model")


@pytest.mark.parametrize("name", ["runs/gone", "../gone"])
def test_a_run_that_is_not_there_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def asks(*_: object, **__: object) -> None:
        raise AssertionError("a network was asked")

    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("memalpha.agent.local.AutoTokenizer.from_pretrained", asks)
    with pytest.raises(ModelError, match=rf"the folder {name} is not there"):
        load_local(name)
    with pytest.raises(AssertionError, match="a network"):
        load_local("owner/model")


@pytest.fixture
def policy(tiny_policy: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny_policy, tmp_path / "policy"))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_a_damaged_file_is_one_clear_sentence(policy: Path, name: str, damage: str) -> None:
    file = policy / name
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "garbage": b"\x00\xff" * 99}[damage])
    refused(policy)


def test_an_empty_tokenizer_is_none(policy: Path) -> None:
    # Of Qwen3 transformers makes a tokenizer without a word where the folder has none.
    config = Qwen3Config(vocab_size=16, hidden_size=8, intermediate_size=8, num_hidden_layers=1, head_dim=8)
    config.save_pretrained(policy)
    for file in policy.glob("*token*"):
        file.unlink()
    assert "has no tokenizer" in refused(policy)


def test_weights_that_lack_a_part_are_not_made_up(policy: Path) -> None:
    file = policy / "model.safetensors"
    weights = load_file(file)
    gone = next(name for name in sorted(weights) if "layers.1" in name)
    del weights[gone]
    save_file(weights, file, metadata={"format": "pt"})
    assert f"lack {gone}" in refused(policy)


def test_weights_of_another_size_are_refused(policy: Path) -> None:
    config = json.loads((policy / "config.json").read_text(encoding="utf-8"))
    (policy / "config.json").write_text(json.dumps({**config, "hidden_size": 64}), encoding="utf-8")
    refused(policy)


def test_a_device_that_is_not_there_is_one_clear_sentence(tiny_policy: Path) -> None:
    with pytest.raises(ConfigError, match="got the device 'tpu'"):
        load_local(tiny_policy, device="tpu")
