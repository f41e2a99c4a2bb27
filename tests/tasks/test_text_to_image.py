"""Drawing by captions: which is taken, how it is dropped, that it is read once and is followed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseloom.config import RunReference
from noiseloom.data.caption_tokens import caption_arrays, learn_captions
from noiseloom.data.dataset import CaptionedDataset, Split
from noiseloom.data.digits import Config as Digits
from noiseloom.data.raw_texts import texts_in_memory
from noiseloom.diffusion.guidance import ClassifierFree, ClassifierGuidance
from noiseloom.diffusion.samplers import Step
from noiseloom.diffusion.sampling import Sampling
from noiseloom.errors import InputError
from noiseloom.networks.convolutional_classifier import Config as Classifier
from noiseloom.networks.dit import Config as Dit
from noiseloom.networks.unet import Config as Unet
from noiseloom.runs.trainer import measure_statistics
from noiseloom.seeds import Random, fixed
from noiseloom.tasks import Prompted, Request
from noiseloom.tasks.asking import InWords
from noiseloom.tasks.generating import ImageGeneration
from noiseloom.tasks.image_classification import Config as Classification
from noiseloom.tasks.readers import Frozen, Trained
from noiseloom.tasks.text_to_image import Config
from noiseloom.training.loop import Training, TrainingConfig
from noiseloom.training.optimizers import AdamW, Muon
from tests.data.text_models import write_model

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}
STEPS = 170
FROZEN, SLOW = ("clip",), pytest.mark.slow
NETWORK = Dit(patch=4, width=32, depth=2, heads=2, text_depth=1)


def squares(num: int = 96) -> CaptionedDataset:
    """8 x 8 pictures, one colour on the left and one on the right, said in one way or two."""
    random = np.random.default_rng(0)
    names = list(COLOURS)
    items = np.zeros((num, 8, 8, 3), np.uint8)
    rows = []
    for item in items:
        left, right = (names[one] for one in random.integers(0, 3, 2))
        item[:, :4], item[:, 4:] = COLOURS[left], COLOURS[right]
        item[...] = np.clip(item + random.normal(0, 8, item.shape), 0, 255)
        said = [f"{left} left of {right}", f"{right} right of {left}"]
        rows.append(said if random.random() < 0.5 else [said[0], ""])
    captions = learn_captions(
        "bpe", (one for row in rows for one in row if one), longest=6, vocabulary=400
    )
    tokens, _ = caption_arrays(captions, rows)
    split, texts = Split(items, captions=tokens), texts_in_memory(rows)
    return CaptionedDataset(
        train=split,
        reference=split,
        class_names=(),
        fingerprint="squares",
        report={},
        cache=Path("nowhere"),
        captions=captions,
        train_captions=texts,
        reference_captions=texts,
    )


def build(config: Config | None = None, network: object = NETWORK) -> ImageGeneration:
    dataset = squares()
    with fixed(0, "weights"):
        return (config or Config()).build(network, dataset.form, measure_statistics(dataset), {})


def moved(task: ImageGeneration) -> ImageGeneration:
    """The task with a network away from where it starts, at answers of 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in task.model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return task


def rows_for(task: ImageGeneration, *prompts: str) -> torch.Tensor:
    assert isinstance(task, Prompted) and task.prompts is not None
    return torch.from_numpy(task.prompts.encode(prompts).tokens)


def drawn(task: ImageGeneration, request: Request, seed: int = 0) -> torch.Tensor:
    assert request.labels is not None
    step: Step
    *_, step = task.sample(request, Random(seed, range(len(request.labels))))
    return step.x0


def test_one_of_the_present_captions_is_taken_and_now_and_then_none() -> None:
    dataset = squares()
    asking = InWords(dataset.captions, 0.3)
    chosen = np.array([int((dataset.train.captions[:, 1, 0] != dataset.captions.padding).argmax())])
    batch = dataset.train.batch(chosen.repeat(4000))
    random = Random(0, range(4000), step=3)
    given = asking.given(batch, random, training=True)
    assert given is not None and given.shape == (4000, 6)
    nothing, first, second = (
        (given == torch.tensor(row)).all(dim=1).float().mean().item()
        for row in (dataset.captions.nothing(1)[0], *batch.captions[0])
    )
    assert nothing + first + second == pytest.approx(1)
    assert nothing == pytest.approx(0.3, abs=0.03)
    assert first == pytest.approx(0.35, abs=0.03)
    again = asking.given(batch, random, training=True)
    assert again is not None and again.equal(given)
    measured = asking.given(batch, random, training=False)
    assert measured is not None and (measured != dataset.captions.padding).any(dim=1).all()


def test_an_absent_caption_is_never_taken() -> None:
    dataset = squares()
    asking = InWords(dataset.captions, 0.0)
    single = np.flatnonzero((dataset.train.captions[:, 1] == dataset.captions.padding).all(axis=1))
    batch = dataset.train.batch(single[:1].repeat(500))
    given = asking.given(batch, Random(0, range(500)), training=True)
    assert given is not None and (given == torch.from_numpy(batch.captions[0, 0])).all()


def test_captions_are_read_once_a_walk() -> None:
    task = moved(build(Config(guidance=ClassifierFree(scale=2.0))))
    reads: list[int] = []
    network = task.model.network
    network.reader.register_forward_hook(lambda module, given, said: reads.append(len(given[0])))
    request = Request(
        labels=rows_for(task, "red left of blue", "blue left of red"), steps=3, sampler="ddim"
    )
    once = drawn(task, request)
    assert reads == [4]  # two prompts, and beside each what guidance leads away from
    reads.clear()
    drawn(task, replace(request, interval=(0.3, 0.7)))
    assert sorted(reads) == [2, 4]  # outside the interval they are asked alone
    reads.clear()
    drawn(task, replace(request, guidance=1.0))
    assert reads == [2]
    reads.clear()
    walk = task.walk(request)
    plain = ClassifierFree(scale=2.0).wrap(
        task.model, request.labels, task.asking.avoided(request.labels, None)
    )
    start, random = task.start(Random(0, range(2))), Random(0, range(2))
    *_, step = walk.sampler(plain, start, walk.plan, walk.schedule, random)
    assert len(reads) == 3  # one a call of the network
    torch.testing.assert_close(step.x0, once)


@torch.no_grad()
def test_a_negative_prompt_takes_the_place_of_none() -> None:
    task = moved(build(Config(guidance=ClassifierFree(scale=3.0))))
    asked, avoided = rows_for(task, "red left of blue", "green left of red")
    xt, t = torch.randn(1, 3, 8, 8), torch.tensor([0.6])
    request = Request(labels=asked[None], negative="green left of red")
    guided = task.walk(request).denoise(xt, t).x0
    with_it, without = (task.model(xt, t, row[None]).x0 for row in (asked, avoided))
    torch.testing.assert_close(guided, without + 3.0 * (with_it - without))
    assert task.describe(request)["negative"] == "green left of red"
    usual = task.walk(Request(labels=asked[None])).denoise(xt, t).x0
    nothing = task.model(xt, t, None).x0
    torch.testing.assert_close(usual, nothing + 3.0 * (with_it - nothing))


@pytest.mark.parametrize("kind", ["trained", *(pytest.param(k, marks=SLOW) for k in FROZEN)])
def test_it_draws_what_is_asked_and_on_the_side_that_is_asked(kind: str, tmp_path: Path) -> None:
    if kind in FROZEN:  # what a model with random weights says still tells words and places apart
        write_model(tmp_path, kind, width=48)
    config = Config(
        guidance=ClassifierFree(scale=1.5),
        sampler=Sampling(name="heun", steps=6),
        reader=Frozen(model=str(tmp_path)) if kind in FROZEN else Trained(),
    )
    task = build(config, replace(NETWORK, width=48))
    split, steps = squares().train, 2 * STEPS if kind in FROZEN else STEPS
    faster = Muon(rest=AdamW(learning_rate=6e-3))
    plan = TrainingConfig(steps=steps, batch_size=32, optimizer=faster)
    for _ in Training(plan, task, split, "float32", steps).run():
        pass
    pairs = [(left, right) for left in COLOURS for right in COLOURS]
    prompts = [f"{left} left of {right}" for left, right in pairs]
    prompts += [f"{right} right of {left}" for left, right in pairs]
    items = task.form.to_items(drawn(task, Request(labels=rows_for(task, *prompts))))
    palette = np.array(list(COLOURS.values()))
    read = [
        [int(np.abs(palette - half.mean(axis=(0, 1))).sum(axis=1).argmin()) for half in halves]
        for halves in ((item[:, :4], item[:, 4:]) for item in items)
    ]
    names = list(COLOURS)
    wanted = [[names.index(one) for one in pair] for pair in pairs] * 2
    assert np.mean([one == other for one, other in zip(read, wanted, strict=True)]) > 0.8


def test_what_cannot_be_is_refused() -> None:
    digits = Digits().open()
    statistics = measure_statistics(digits)
    with pytest.raises(ValueError, match="the data has no captions, and the task goes by them"):
        Config().build(NETWORK, digits.form, statistics, {})
    with pytest.raises(ValueError, match="reads no captions.*use network dit"):
        build(network=Unet(channels=8))
    with pytest.raises(ValueError, match="caption_dropout is 1.5; allowed is 0 to below 1"):
        Config(caption_dropout=1.5)
    with pytest.raises(ValueError, match="learned without captions. Set caption_dropout"):
        Config(caption_dropout=0.0, guidance=ClassifierFree(scale=2.0))
    task = build(Config(caption_dropout=0.0))
    with pytest.raises(InputError, match="trained both with captions and, now and then, without"):
        task.walk(Request(labels=rows_for(task, "red left of blue"), guidance=2.0))


def test_only_a_guide_that_fits_guides() -> None:
    dataset = squares()
    task, statistics = build(), measure_statistics(dataset)
    labelled = replace(dataset.form, class_names=("a", "b"))
    classifier = Classification().build(Classifier(width=4, features=8), labelled, statistics, {})
    with pytest.raises(ValueError, match="a classifier leads to a class"):
        task.guided(ClassifierGuidance(guide=RunReference(run="other")), classifier)
