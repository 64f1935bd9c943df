"""Low-rank matrices beside the linear layers of a network (LoRA, arXiv:2106.09685); peft for the layers.

The network stays the object it was, so that what is sampled from is what is trained. Its own weights are frozen and may
be bfloat16; the matrices are float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import PreTrainedModel

from memalpha.errors import CheckpointError

SCALE = 2.0
"""What the product of the matrices counts: their alpha is this times their rank."""


class LowRank:
    """The matrices of one network."""

    def __init__(self, network: PreTrainedModel, rank: int) -> None:
        """Put matrices of this rank beside every linear layer but the head; they change nothing at first."""
        config = LoraConfig(r=rank, lora_alpha=int(SCALE * rank), target_modules="all-linear", task_type="CAUSAL_LM")
        with warnings.catch_warnings():  # peft asks transformers by a name that is going out of use
            warnings.simplefilter("ignore", FutureWarning)
            self._model: Any = get_peft_model(network, config)
        self._network = network

    def parameters(self) -> list[nn.Parameter]:
        """What is trained."""
        return [each for each in self._network.parameters() if each.requires_grad]

    def state(self) -> dict[str, Tensor]:
        """The matrices by name."""
        return {name: each.detach() for name, each in self._network.named_parameters() if each.requires_grad}

    def load(self, state: dict[str, Tensor]) -> None:
        """Put them back; raises `CheckpointError` when they belong to another network or rank."""
        own = self.state()
        if {name: each.shape for name, each in own.items()} != {name: each.shape for name, each in state.items()}:
            raise CheckpointError(
                f"the checkpoint holds {len(state)} low-rank matrices that do not fit the {len(own)} of this model; "
                "resume with the run.model and the optim.lora_rank that the run began with"
            )
        for name, each in own.items():
            each.copy_(state[name])

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The network as it was without them."""
        with PeftModel.disable_adapter(self._model):
            yield

    @contextmanager
    def merged(self) -> Iterator[None]:
        """The network with the matrices added to its weights, as one to be saved or sent; afterwards as before.

        The frozen weights are put back from a copy, since adding and subtracting would not lead back in bfloat16.
        """
        layers: list[Any] = [each for each in self._network.modules() if isinstance(each, LoraLayer)]
        kept = [each.get_base_layer().weight.detach().clone() for each in layers]
        for each in layers:
            each.merge()
        try:
            yield
        finally:
            for each, weight in zip(layers, kept, strict=True):
                each.merged_adapters.clear()
                each.get_base_layer().weight.data.copy_(weight)

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """The weights of the network under the names they had without the matrices; merged, inside of `merged`."""
        for name, each in self._network.state_dict().items():
            if ".lora_" not in name:
                yield name.replace(".base_layer", ""), each
