"""The language model answers what transformers' GPT-2 and Llama answer with the same weights."""

import pytest
import torch
from torch import Tensor, nn

from noiseloom.networks.language_model import Config, LanguageModel

VOCABULARY, CONTEXT, WIDTH, DEPTH, HEADS, HIDDEN = 29, 40, 48, 3, 4, 96
transformers = pytest.importorskip("transformers", reason="parity needs transformers")


def moved(theirs: nn.Module) -> dict[str, Tensor]:
    """The weights of a model of theirs, none of them where it starts: biases and norms too."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return theirs.eval().state_dict()


def gpt2() -> tuple[nn.Module, LanguageModel]:
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=CONTEXT,
            n_embd=WIDTH,
            n_layer=DEPTH,
            n_head=HEADS,
            n_inner=HIDDEN,
            attn_implementation="eager",
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    ours = Config(
        width=WIDTH,
        depth=DEPTH,
        heads=HEADS,
        feed_forward=HIDDEN / WIDTH,
        activation="gelu-tanh",
        norm="layer",
        learned_norm=True,
        bias=True,
        qk_norm=False,
        positions="learned",
        tied=True,
    ).build(VOCABULARY, CONTEXT)
    given = moved(theirs)
    state = {
        "embed.weight": given["transformer.wte.weight"],
        "places.weight": given["transformer.wpe.weight"],
        "norm.weight": given["transformer.ln_f.weight"],
        "norm.bias": given["transformer.ln_f.bias"],
    }
    maps = {
        "attention.qkv": "attn.c_attn",
        "attention.out": "attn.c_proj",
        "feed_forward.up": "mlp.c_fc",
        "feed_forward.down": "mlp.c_proj",
    }
    for block in range(DEPTH):
        own, other = f"blocks.{block}", f"transformer.h.{block}"
        for mine, its in maps.items():  # theirs multiply from the other side
            state[f"{own}.{mine}.weight"] = given[f"{other}.{its}.weight"].T
            state[f"{own}.{mine}.bias"] = given[f"{other}.{its}.bias"]
        for place in range(2):
            for kind in ("weight", "bias"):
                state[f"{own}.norms.{place}.{kind}"] = given[f"{other}.ln_{place + 1}.{kind}"]
    ours.load_state_dict(state)
    return theirs, ours


def llama(kv_heads: int, base: float) -> tuple[nn.Module, LanguageModel]:
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            max_position_embeddings=CONTEXT,
            hidden_size=WIDTH,
            num_hidden_layers=DEPTH,
            num_attention_heads=HEADS,
            num_key_value_heads=kv_heads,
            intermediate_size=HIDDEN,
            rope_parameters={"rope_type": "default", "rope_theta": base},
            attn_implementation="eager",
        )
    )
    pairs = WIDTH // HEADS // 2
    ours = Config(
        width=WIDTH,
        depth=DEPTH,
        heads=HEADS,
        kv_heads=kv_heads,
        feed_forward=HIDDEN / WIDTH,
        activation="swiglu",
        norm="rms",
        learned_norm=True,
        qk_norm=False,
        rotary_longest=base ** ((pairs - 1) / pairs),  # theirs: base^(-i / pairs)
    ).build(VOCABULARY, CONTEXT)
    given = moved(theirs)
    state = {
        "embed.weight": given["model.embed_tokens.weight"],
        "norm.weight": given["model.norm.weight"],
        "head.weight": given["lm_head.weight"],
    }
    maps = {
        "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "attention.out": ("self_attn.o_proj",),
        "feed_forward.up": ("mlp.gate_proj", "mlp.up_proj"),
        "feed_forward.down": ("mlp.down_proj",),
        "norms.0": ("input_layernorm",),
        "norms.1": ("post_attention_layernorm",),
    }
    for block in range(DEPTH):
        for mine, its in maps.items():
            parts = [given[f"model.layers.{block}.{name}.weight"] for name in its]
            state[f"blocks.{block}.{mine}.weight"] = torch.cat(parts)
    ours.load_state_dict(state)
    return theirs, ours


MODELS = {
    "gpt2": gpt2,
    "llama": lambda: llama(HEADS, 10_000.0),
    "llama, grouped": lambda: llama(2, 500_000.0),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_same_weights_give_the_same_logits_and_gradients(name: str) -> None:
    theirs, ours = MODELS[name]()
    tokens = torch.randint(VOCABULARY, (3, CONTEXT), generator=torch.Generator().manual_seed(0))
    wanted, got = theirs(tokens).logits, ours(tokens)
    assert float(wanted.detach().std()) > 0.3  # there is something to differ in
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    for logits in (wanted, got):
        nn.functional.cross_entropy(logits.flatten(0, 1), tokens.roll(-1, 1).flatten()).backward()
    torch.testing.assert_close(
        ours.embed.weight.grad, theirs.get_input_embeddings().weight.grad, atol=1e-6, rtol=1e-4
    )


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_read_token_by_token_with_a_cache_it_is_their_whole_answer(name: str) -> None:
    theirs, ours = MODELS[name]()
    tokens = torch.randint(VOCABULARY, (2, 8), generator=torch.Generator().manual_seed(1))
    cache = ours.new_cache()
    got = torch.cat([ours(tokens[:, place : place + 1], cache=cache) for place in range(8)], dim=1)
    torch.testing.assert_close(got, theirs(tokens).logits, atol=1e-5, rtol=1e-5)
