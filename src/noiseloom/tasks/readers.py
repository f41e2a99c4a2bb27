"""What reads captions before the network looks at them: words it learns, or a frozen text model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import nn

from noiseloom.config import option
from noiseloom.data.caption_states import CaptionStates
from noiseloom.data.caption_tokens import Captions
from noiseloom.data.text_model import TextModel
from noiseloom.networks.caption_reader import Wording, Words
from noiseloom.networks.caption_states import StateEmbedding, States


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Words learned with the rest of the network, from the captions of the data alone."""

    def read_by(self, captions: Captions) -> Captions:
        """See `Frozen.read_by`."""
        return captions

    def wording(self, captions: Captions) -> Wording:
        """See `Frozen.wording`."""
        return Words(captions.tokenizer.vocabulary, captions.longest, captions.padding)


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A text model of Hugging Face's, T5's encoder or CLIP's, which stays as it is."""

    model: str = option(
        help="folder of the model: config.json, tokenizer.json, safetensors; or hf://OWNER/NAME"
    )
    longest: Annotated[int, Ge(1)] = option(
        128, "tokens of a caption that it reads, at most, those it adds among them"
    )

    def read_by(self, captions: Captions) -> Captions:
        """The captions with what reads them; InputError where that is not there."""
        return captions.read_by(TextModel(self.model, self.longest))

    def wording(self, captions: Captions) -> Wording:
        """How captions, as `read_by` answers them, reach the network."""
        assert isinstance(captions.model, TextModel)  # `read_by` has seen to it
        return States(CaptionStates(captions, captions.model), captions.padding)


Reader = Trained | Frozen
READERS: dict[str, type[Reader]] = {"trained": Trained, "frozen": Frozen}


def caption_states(model: nn.Module) -> CaptionStates | None:
    """What reads the captions for a trained model, if that is a frozen one."""
    embedding = state_embedding(model)
    if embedding is None:
        return None
    assert isinstance(embedding.reads, CaptionStates)  # `Frozen` is all there is
    return embedding.reads


def state_embedding(model: nn.Module) -> StateEmbedding | None:
    """Where a trained model takes in what a frozen one says of captions, if it does."""
    found = (module for module in model.modules() if isinstance(module, StateEmbedding))
    return next(found, None)
