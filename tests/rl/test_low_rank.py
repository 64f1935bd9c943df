"""Low-rank matrices: nothing at first, their product by hand, frozen weights that stay, merging and going back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from memalpha.errors import CheckpointError
from memalpha.rl.low_rank import LowRank

IDS = torch.arange(3, 15)[None]


@pytest.fixture(params=["lfm2", "qwen3", "llama"])
def network(request: pytest.FixtureRequest, tiny_network: Callable[..., Any]) -> Any:
    return tiny_network(request.param)


def logits(network: Any) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(network(input_ids=IDS).logits)


def randomised(made: LowRank) -> LowRank:
    for each in made.parameters():
        torch.nn.init.normal_(each, std=0.2, generator=torch.Generator().manual_seed(1))
    return made


def test_they_change_nothing_at_first_and_leave_the_head_alone(network: Any) -> None:
    before = logits(network)
    made = LowRank(network, 4)
    assert torch.equal(logits(network), before)
    assert made.state()
    assert not any("lm_head" in name for name in made.state())
    assert all(each.shape[0] == 4 or each.shape[1] == 4 for each in made.parameters())
    assert len(made.parameters()) == len(made.state())


def test_a_layer_by_hand(tiny_network: Callable[..., Any]) -> None:
    network = tiny_network("qwen3")
    layer = network.model.layers[0].mlp.up_proj
    inputs, plain = torch.randn(3, 16), layer.weight.detach().clone()
    state = randomised(LowRank(network, 4)).state()
    down, up = (state[f"model.layers.0.mlp.up_proj.lora_{each}.default.weight"] for each in "AB")
    # W x + 2 B A x: the scale is twice the rank over the rank.
    expected = inputs @ (plain + 2.0 * up @ down).T
    torch.testing.assert_close(network.model.layers[0].mlp.up_proj(inputs), expected)


def test_only_they_learn(network: Any) -> None:
    made = randomised(LowRank(network, 4))
    frozen = {name: each.clone() for name, each in network.named_parameters() if not each.requires_grad}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    before = made.state()["model.layers.1.self_attn.q_proj.lora_A.default.weight"].clone()
    network(input_ids=IDS).logits.logsumexp(-1).sum().backward()
    optimiser.step()
    assert not torch.equal(made.state()["model.layers.1.self_attn.q_proj.lora_A.default.weight"], before)
    for name, each in network.named_parameters():
        assert each.requires_grad or torch.equal(each, frozen[name])


def test_without_them_the_network_is_as_it_was(network: Any) -> None:
    before = logits(network)
    made = randomised(LowRank(network, 4))
    assert not torch.allclose(logits(network), before, atol=0.1)
    with made.disabled():
        assert torch.equal(logits(network), before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merged_weights_are_a_network_of_their_own_and_everything_goes_back(network: Any, dtype: torch.dtype) -> None:
    network.to(dtype)
    made = randomised(LowRank(network, 4))
    assert {each.dtype for each in made.parameters()} == {torch.float32}
    before, other = logits(network), type(network)(network.config).to(dtype).eval()
    frozen = {name: each.clone() for name, each in network.state_dict().items()}
    with made.merged():
        other.load_state_dict(dict(made.weights()))
        within = logits(network)
    torch.testing.assert_close(logits(other), within)
    torch.testing.assert_close(within, before, rtol=0, atol=1e-4 if dtype is torch.float32 else 1.0)
    assert torch.equal(logits(network), before)
    assert all(torch.equal(each, frozen[name]) for name, each in network.state_dict().items())


def test_they_are_put_back_whole_or_not_at_all(network: Any) -> None:
    made = randomised(LowRank(network, 4))
    state, before = {name: each.clone() for name, each in made.state().items()}, logits(network)
    for each in made.parameters():
        each.data.zero_()
    made.load(state)
    assert torch.equal(logits(network), before)
    name = min(state)
    with pytest.raises(CheckpointError, match="do not fit"):
        made.load({**state, name: state[name][:, :1]})
    with pytest.raises(CheckpointError, match="do not fit"):
        made.load({name: state[name]})
    assert torch.equal(logits(network), before)
