import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseloom.networks.pair_encoder import Config
from noiseloom.networks.shared_runs import EACH, PACE, SharedRuns, runs_of
from noiseloom.networks.text_encoder import Config as TextEncoder
from noiseloom.seeds import Random, fixed

PAD = 9
ENCODER = TextEncoder(width=8, depth=1, heads=2, apart=True)


def pairs(*texts):
    """Pairs of texts in digits, filled up with PAD."""
    longest = max(len(text) for pair in texts for text in pair)
    tokens = torch.full((len(texts), 2, longest), PAD)
    for row, pair in zip(tokens, texts, strict=True):
        for place, text in zip(row, pair, strict=True):
            place[: len(text)] = torch.tensor([int(one) for one in text])
    return tokens, tokens != PAD


def build(seed=0, **changes):
    config = Config(**{"runs": (1, 2), "rows": 64, "hidden": 4, "encoder": ENCODER, **changes})
    with fixed(seed, "weights"):
        network = config.build(PAD + 1, 12, 2, 3)
    assert not network(*pairs(("123", "12"))).any()  # it starts at 0
    with torch.no_grad():
        for index, parameter in enumerate(network.parameters()):
            nudge = Random(seed, [0]).under(str(index)).normal("nudge", parameter.shape)[0]
            parameter.add_(nudge, alpha=0.1)
    return network


# Shared runs -------------------------------------------------------------------------------------


def test_runs_are_numbered_by_what_they_are():
    tokens, is_real = pairs(("1212", "2100"), ("12", "01"))
    number, is_run = runs_of(tokens, is_real, 2)
    assert number.shape == is_run.shape == (2, 2, 3)
    assert number[0, 0, 0] == number[0, 0, 2] == number[1, 0, 0]  # 12, wherever it stands
    assert number[0, 0, 1] == number[0, 1, 0]  # 21
    assert len({int(number[0, 0, 0]), int(number[0, 0, 1]), int(number[1, 1, 0])}) == 3
    assert is_run.tolist() == [[[True] * 3] * 2, [[True, False, False]] * 2]


def test_features_by_hand():
    shared = SharedRuns((1, 2, 5), 64, 0.0)
    features = shared(*pairs(("1123", "1245"), ("12", "12"), ("1", "345")))
    assert features.shape == (3, shared.features) == (3, 3 * EACH + 1)
    # single tokens: 1, 1, 2 of 1123 and 1, 2 of 1245; in pairs 12 of 11 12 23 and of 12 24 45
    for place, (least, most) in ((0, (2 / 4, 3 / 4)), (EACH, (1 / 3, 1 / 3))):
        expected = torch.tensor([least, most, least * most, (least * most) ** 0.5])
        torch.testing.assert_close(features[0, place : place + EACH], expected, atol=1e-4, rtol=0)
    assert features[1, : 2 * EACH].allclose(torch.ones(()), atol=1e-4)  # equal texts
    assert features[2, : 2 * EACH].abs().max() < 2e-3  # nothing in common
    assert features[:, 2 * EACH : 3 * EACH].abs().max() < 2e-3  # nobody is as long as that
    torch.testing.assert_close(features[:, -1], torch.tensor([0, 0, 2 / 4]))


def test_runs_count_by_their_weights():
    shared = SharedRuns((1,), 2**16, 0.0)
    tokens, is_real = pairs(("12", "13"))
    number, _ = runs_of(tokens, is_real, 1)
    with torch.no_grad():
        row = (number * 1_000_003 % (2**31 - 1) % 2**16)[0, 0, 0]
        shared.table.weight[row] = torch.tensor(3.0).log() / PACE
    least, most = shared(tokens, is_real)[0, :2].tolist()
    assert least == most == pytest.approx(3 / 4)  # of weights 3 and 1


def test_padding_counts_for_nothing():
    shared = SharedRuns((1, 2, 3), 64, 0.0)
    tokens, is_real = pairs(("12345", "2345"))
    short = shared(tokens, is_real)
    wide = torch.full((1, 2, 12), PAD)
    wide[..., :5] = tokens
    torch.testing.assert_close(shared(wide, wide != PAD), short)


# The network -------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", [None, ENCODER])
def test_every_parameter_counts_and_pairs_do_not_see_one_another(encoder):
    network = build(encoder=encoder)
    tokens, is_real = pairs(("123", "124"), ("5678", "65"), ("1", "1"), ("12", "8765"))
    output = network(tokens, is_real)
    assert output.shape == (4, 3)
    output.square().sum().backward()
    dead = [name for name, one in network.named_parameters() if not one.grad.abs().max() > 0]
    assert not dead
    torch.testing.assert_close(network(tokens[:1, :, :3], is_real[:1, :, :3]), output[:1])


def test_it_saves_and_loads_and_its_drop_out_repeats(tmp_path):
    first, second = build(dropout=0.3), build(seed=1, dropout=0.3)
    texts = pairs(("123456", "12456"), ("5678", "65"))
    save_file(first.state_dict(), tmp_path / "weights.safetensors")
    second.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert first(*texts).equal(second(*texts))
    random = Random(0, range(2))
    assert first(*texts, random=random).equal(second(*texts, random=random))
    assert not first(*texts, random=random).equal(first(*texts))
    assert not first(*texts, random=random).equal(first(*texts, random=random.at(1)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runs": ()}, "at least one length"),
        ({"runs": (0,)}, "at least 1"),
        ({"rows": 0}, "at least 1"),
        ({"dropout": 1.0}, "0 to below 1"),
    ],
)
def test_what_is_impossible_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        Config(**changes)


def test_one_text_is_no_pair():
    with pytest.raises(ValueError, match=r"use network text-encoder"):
        Config().build(10, 8, 1, 1)
