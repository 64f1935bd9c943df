"""A sentence encoder on this machine: a BERT-like network from a folder, such as all-MiniLM-L6-v2, as an `Embedder`.

Reads the folders of sentence-transformers, without that package: the network, its tokenizer, `1_Pooling/config.json`
(mean or first token) and the length in `sentence_bert_config.json`. Importing this module needs the extra `train`.
Left out: other poolings and dense layers behind them, which raise.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from memalpha.errors import ConfigError, ModelError
from memalpha.memory.embedding import Vectors

_MAX_TOKENS = 256
"""Length when the folder does not tell; what is longer is cut, as in sentence-transformers."""
_BATCH_TEXTS = 32
_FLAG = "pooling_mode_"


class TransformerEmbedder:
    """Embeds texts with a network held in this process."""

    def __init__(
        self,
        network: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        name: str,
        first_token: bool = False,
        max_tokens: int = _MAX_TOKENS,
    ) -> None:
        """`first_token` takes the state of the first token instead of the mean over all."""
        self.network = network.eval()
        self.tokenizer = tokenizer
        self.first_token = first_token
        self.max_tokens = max_tokens
        self._name = name

    @property
    def name(self) -> str:
        """As it was called, else the folder it was loaded from."""
        return self._name

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self.network.config.hidden_size)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text; texts of like length share a batch."""
        order = sorted(range(len(texts)), key=lambda at: -len(texts[at]))
        rows_ND = torch.zeros(len(texts), self.dimensions)
        for start in range(0, len(order), _BATCH_TEXTS):
            batch = order[start : start + _BATCH_TEXTS]
            rows_ND[batch] = self._rows([texts[at] for at in batch])
        vectors: Vectors = torch.nn.functional.normalize(rows_ND, dim=1).numpy()
        return vectors

    @torch.inference_mode()
    def _rows(self, texts: list[str]) -> Tensor:
        inputs = self.tokenizer(texts, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        states_BTD: Tensor = self.network(**inputs).last_hidden_state
        if self.first_token:
            return states_BTD[:, 0].float()
        mask_BT1 = inputs["attention_mask"].unsqueeze(-1).to(states_BTD.dtype)
        mean_BD: Tensor = (states_BTD * mask_BT1).sum(dim=1) / mask_BT1.sum(dim=1).clamp(min=1)
        return mean_BD.float()


def load_embedder(folder: Path, *, name: str | None = None) -> TransformerEmbedder:
    """The encoder of a folder, called as the folder is unless given a name.

    Raises:
        ConfigError: The folder has settings that are not known here.
        ModelError: It is broken.
    """
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"{folder} has no config.json, expected the folder of a sentence encoder such as all-MiniLM-L6-v2; "
            "fetch one and name its folder"
        )
    first_token = _takes_first_token(folder)
    length = _read(folder / "sentence_bert_config.json").get("max_seq_length", _MAX_TOKENS)
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise ConfigError(
            f"{folder / 'sentence_bert_config.json'} has the max_seq_length {length!r}, expected a number of tokens; "
            "mend or remove it"
        )
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        loaded: Any = AutoModel.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"no encoder could be loaded from {folder} ({error}); fetch the folder again") from error
    network, report = loaded
    # The pooler of BERT is not used here, and many encoders leave it out; anything else would be random numbers.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ModelError(f"the weights in {folder} lack {missing[0]}; fetch the folder again")
    return TransformerEmbedder(network, tokenizer, name=name or folder.name, first_token=first_token, max_tokens=length)


def _takes_first_token(folder: Path) -> bool:
    """Whether the folder asks for the first token and not for the mean; raises `ConfigError` for anything else."""
    path = folder / "1_Pooling" / "config.json"
    pooling = _read(path)
    flags = [name.removeprefix(_FLAG) for name, value in pooling.items() if name.startswith(_FLAG) and value is True]
    modes = flags or [str(pooling.get("pooling_mode", "mean"))]
    if modes not in (["mean_tokens"], ["mean"], ["cls_token"], ["cls"]):
        raise ConfigError(f"{path} asks for {' and '.join(modes)}, expected the mean or cls; choose another encoder")
    return modes[0].startswith("cls")


def _read(path: Path) -> dict[str, Any]:
    """The object of a JSON file; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON ({error}); fetch it again") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {type(data).__name__}, expected a JSON object; fetch it again")
    return data
