"""Captions as tokens: what is kept, what is cut, which words are new; and how a run keeps them."""

from pathlib import Path

import numpy as np
import pytest

from noiseloom.data.caption_tokens import Captions, caption_arrays, learn_captions
from noiseloom.data.dataset import CaptionedDataset, Split
from noiseloom.data.forms import CaptionedForm, form_from
from noiseloom.data.prepared import fingerprint_of
from noiseloom.data.raw_texts import texts_in_memory
from noiseloom.data.tokenizer import Kind

TRAINING = ["A red circle", "a blue square left of a red one", "two  green circles", ""]


def learned(kind: Kind = "bpe", longest: int = 12) -> Captions:
    return learn_captions(
        kind, TRAINING, longest=longest, vocabulary=600, examples=["a red square"]
    )


@pytest.mark.parametrize("kind", ["bytes", "characters", "bpe", "wordpiece"])
def test_captions_come_back_in_lower_case_with_single_spaces(kind: Kind) -> None:
    captions = learned(kind, longest=40)
    read = captions.encode(TRAINING)
    assert read.tokens.shape == (4, 40) and read.tokens.dtype == np.int64
    assert captions.decode(read.tokens) == [
        "a red circle",
        "a blue square left of a red one",
        "two green circles",
        "",
    ]
    assert read.cut == () and read.unseen == ()


def test_a_word_is_the_same_wherever_it_stands() -> None:
    captions = learned()
    first, later = captions.encode(["red circle", "a red circle"]).tokens
    assert first[:2].tolist() == later[1:3].tolist()


def test_no_caption_is_padding_alone() -> None:
    captions = learned()
    assert (captions.encode([""]).tokens == captions.padding).all()
    assert captions.nothing(2).tolist() == [[captions.padding] * 12] * 2


def test_what_is_longer_is_cut_and_said() -> None:
    captions = learned(longest=3)
    read = captions.encode(["a red circle", "a blue square left of a red one"])
    assert read.cut == ("a blue square left of a red one",)
    assert captions.decode(read.tokens) == ["a red circle", "a blue square"]


def test_words_never_seen_are_named_once_each() -> None:
    read = learned().encode(["A purple circle", "a red hexagon, a PURPLE one"])
    assert read.unseen == ("purple", "hexagon")


def test_arrays_have_present_captions_first() -> None:
    captions = learned(longest=3)
    array, cut = caption_arrays(
        captions, [["", "a red circle"], ["two green circles", "a blue square left"]]
    )
    assert array.shape == (2, 2, 3) and array.dtype == np.int32 and cut == 1
    assert captions.decode(array[0]) == ["a red circle", ""]
    assert captions.decode(array[1]) == ["two green circles", "a blue square"]


def dataset() -> CaptionedDataset:
    captions = learned()
    rows = [["a red circle", ""], ["a blue square", "two green circles"]]
    tokens, _ = caption_arrays(captions, rows)
    items = np.zeros((2, 4, 4, 3), np.uint8)
    split, texts = Split(items, captions=tokens), texts_in_memory(rows)
    return CaptionedDataset(
        train=split,
        reference=split,
        class_names=(),
        fingerprint=fingerprint_of(split, split, ()),
        report={},
        cache=Path("nowhere"),
        flip=True,
        captions=captions,
        train_captions=texts,
        reference_captions=texts,
    )


def test_a_run_keeps_the_form(tmp_path: Path) -> None:
    data = dataset()
    assert isinstance(data.form, CaptionedForm) and data.form.flip
    data.form.save(tmp_path)
    form = form_from(data.form.to_mapping(), tmp_path)
    assert isinstance(form, CaptionedForm)
    assert form.item_shape == (3, 4, 4) and form.flip
    kept = form.captions
    assert kept.examples == ("a red square",) and kept.words == data.captions.words
    asked = ["a red circle", "a violet one"]
    assert kept.encode(asked).tokens.tolist() == data.captions.encode(asked).tokens.tolist()
    assert kept.encode(asked).unseen == ("violet",)
    labels = kept.encode(asked).tokens
    with_captions = form.picture(data.train.items, labels)
    assert with_captions.height > form.picture(data.train.items).height


def test_a_batch_holds_what_belongs_to_its_items() -> None:
    data = dataset()
    batch = data.train.batch(np.array([1, 0, 1]))
    assert batch.labels is None and batch.captions is not None
    assert data.captions.decode(batch.captions[2]) == ["a blue square", "two green circles"]
    assert Split(data.train.items).batch(np.array([0])).captions is None
    with pytest.raises(ValueError, match="2 items were given with 1 rows of captions"):
        Split(data.train.items, captions=np.zeros((1, 1, 3), np.int32))


def test_other_captions_are_other_data() -> None:
    split = dataset().train
    bare = Split(split.items)
    changed = Split(split.items, captions=split.captions + 1)
    assert len({fingerprint_of(one, one, ()) for one in (split, bare, changed)}) == 3
