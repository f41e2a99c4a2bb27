"""Tiny text models in Hugging Face's layout, with random weights, and a tokenizer of words."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

SPECIALS = ("<pad>", "</s>", "<s>", "<unk>")
WORDS = (*SPECIALS, "a", "red", "green", "blue", "left", "right", "of", "light", "dark")
CLIP_LONGEST = 8


def write_model(folder: Path, kind: str = "t5", *, seed: int = 0, width: int = 16) -> nn.Module:
    """A whole T5 or CLIP in `folder`, of which texts need a part; answers that part."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    size = {"vocab_size": len(WORDS), "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    torch.manual_seed(seed)
    if kind == "t5":
        config = transformers.T5Config(
            **size, d_model=width, d_kv=8, d_ff=24, num_layers=2, num_heads=2
        )
        whole = transformers.T5ForConditionalGeneration(config)
        part = whole.encoder
    else:
        layers = {"intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
        text = {**size, **layers, "hidden_size": width, "max_position_embeddings": CLIP_LONGEST}
        image = {**layers, "hidden_size": 16, "image_size": 8, "patch_size": 4}
        whole = transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=image)
        )
        part = whole.text_model
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    whole.save_pretrained(folder)
    write_tokenizer(folder, starts=kind == "clip")
    return part.eval()


def write_tokenizer(folder: Path, *, starts: bool = False, words: tuple[str, ...] = WORDS) -> None:
    """A word is a token; each text is ended by one, and begun by one where it `starts`."""
    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if starts else "$A </s>", special_tokens=[("</s>", 1), ("<s>", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
