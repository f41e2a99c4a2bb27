import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from noiseloom.errors import InputError, MachineError
from noiseloom.evaluate import page_parts
from noiseloom.evaluate.curves import write_curves
from noiseloom.evaluate.facts import read_facts
from noiseloom.evaluate.report import write_report
from noiseloom.evaluate.verdicts import verdicts
from noiseloom.evaluate.wording import duration, number

RECIPE = """\
name: mnist
task: {name: unconditional-image-generation}
data: {name: images, path: digits}
network: {name: dit, patch: 7, width: 128}
training: {batch_size: 64, steps: 400}
"""
EVALUATION = {
    "metrics": {
        "frechet_distance": 1.6,
        "recall": 0.8,
        "label_agreement": 0.97,
        "nearest_train_ratio": 1.01,
        "a_new_metric": 3,
    },
    "floor": {
        "frechet_distance": 0.8,
        "recall": 0.88,
        "label_agreement": 0.98,
        "nearest_train_ratio": 1.0,
    },
    "intervals": {"frechet_distance": [1.4, 1.9]},
    "floor_intervals": {"frechet_distance": [0.6, 1.0]},
    "protocol": {
        "num": 1000,
        "reference": 10000,
        "weights": "ema",
        "sampler": "heun",
        "steps": 10,
        "seed": 0,
        "floor_draws": 20,
        "features": {"kind": "classifier", "dimension": 128, "accuracy": 0.982},
    },
    "checks": {
        "informative": True,
        "not_registered": [],
        "responses": {"blur": 20.0},
        "memorisation": {"alarm": False, "near_copies": 0, "nearest_pairs": []},
        "label_agreement_by_class": {"0": 0.99, "1": 0.95},
    },
}
VOID = {"meta", "img", "line", "rect", "circle", "polyline", "br", "link", "input"}


class Reader(HTMLParser):
    """Holds a page to account: every tag closed, every picture described, nothing loaded."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.images, self.text, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        for name in ("src", "href", "srcset", "action", "data"):
            assert attributes.get(name, "data:").startswith(("data:", "#")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert attributes["alt"]
            self.images.append(attributes["alt"])
        if tag == "svg":
            assert attributes["aria-label"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in VOID
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    content = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(content)
    assert reader.open == []
    assert "url(" not in content
    assert "@import" not in content
    assert not re.search(r"https?://", content)
    assert not {"script", "iframe", "link", "object", "embed"} & set(reader.tags)
    return reader


def picture(size=(40, 30), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(size=(40, 30)):
    buffer = io.BytesIO()
    picture(size).save(buffer, format="PNG")
    return buffer.getvalue()


def metrics_lines(count=40):
    for index in range(1, count + 1):
        step = 10 * index
        yield {
            "step": step,
            "loss": 1 / index,
            "learning_rate": 0.02,
            "gradient_norm": 0.2,
            "items_per_second": 700.0,
            "seconds": 0.3 * step,
        }
        if index % 10 == 0:
            yield {"step": step, "held_out_loss": 0.9 / index, "seconds": 0.3 * step}


@pytest.fixture
def sparse(tmp_path):
    folder = tmp_path / "runs" / "mnist-1"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def full(sparse):
    lines = "".join(json.dumps(line) + "\n" for line in metrics_lines())
    (sparse / "metrics.jsonl").write_text(lines + '{"step": 410, "lo')
    environment = {
        "noiseloom": "0.1.0",
        "torch": "2.13.0",
        "processor": "A processor",
        "device": "cpu",
        "threads": 2,
        "settled": {"total_steps": 400},
    }
    (sparse / "environment.json").write_text(json.dumps(environment))
    data = {
        "source": "digits",
        "item_shape": [28, 28, 1],
        "counts": {"train": 10000, "reference": 10000},
        "classes": {"0": {"train": 5000}, "1": {"train": 5000}},
        "warnings": ["12 files cannot be used."],
    }
    (sparse / "data_report.json").write_text(json.dumps(data))
    (sparse / "evaluation.json").write_text(json.dumps(EVALUATION))
    samples = sparse / "samples"
    samples.mkdir()
    for name in (
        "final",
        "forward",
        "denoising",
        "nearest",
        *(f"step-{n:08d}" for n in (90, 100, 200, 300, 400)),
    ):
        (samples / f"{name}.png").write_bytes(png())
    picture().save(samples / "denoising.gif", save_all=True, append_images=[picture(seed=1)])
    return sparse


def test_a_whole_run(full, monkeypatch):
    monkeypatch.chdir(full.parent.parent)
    assert write_report(full) == full / "report.html"
    reader = read(full / "report.html")
    text = " ".join("".join(reader.text).split())
    assert "image generation by class, network dit (patch 7, width 128)" in text
    assert "10,000 images of 28 × 28 in grey, 2 classes from digits" in text
    assert "2 min" in text
    assert "400 steps of 64 items" in text.replace("400steps", "400 steps")
    assert "2 × what 1,000 real images score" in text
    assert "No sign of memorisation" in text
    assert "Training goes as expected: the held-out loss has come 98 % below" in text
    assert "noiseloom resume runs/mnist-1" in text
    assert "noiseloom sample runs/mnist-1 --num 64 --out samples.png" in text
    assert "reads 98.2% of held-out images right" in text
    assert "12 files cannot be used." in text
    assert "Step 90" in text  # the first, a middle and the last preview
    assert "Step 200" in text
    assert "Step 400" in text
    assert "Step 100 " not in text
    assert len(reader.images) == 8
    assert reader.tags.count("svg") == 5 + 4  # one a metric, one a curve
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_its_model_card(full, monkeypatch):
    monkeypatch.chdir(full.parent.parent)
    write_report(full)
    card = (full / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: noiseloom\npipeline_tag: unconditional-image-gen")
    assert "| Fréchet distance | 1.6 | 1.4 to 1.9 | 0.8 |" in card
    assert "| Label agreement | 97.0% | – | 98.0% |" in card
    assert "![Samples of the finished run](samples/final.png)" in card
    assert "noiseloom resume runs/mnist-1" in card
    with Image.open(full / "curves.png") as curves:
        assert curves.width > 800


def test_only_a_recipe(sparse):
    write_report(sparse)
    reader = read(sparse / "report.html")
    text = " ".join("".join(reader.text).split())
    assert "This run has not been measured" in text
    assert "noiseloom evaluate" in text
    assert reader.images == []
    assert "Figures" not in text
    assert not (sparse / "curves.png").exists()
    assert "# mnist" in (sparse / "README.md").read_text()


@pytest.mark.parametrize(
    "gone",
    ["metrics.jsonl", "environment.json", "data_report.json", "evaluation.json", "samples"],
)
def test_any_file_may_be_missing_or_damaged(full, gone):
    path = full / gone
    if path.is_dir():
        for file in path.iterdir():
            file.write_bytes(b"no picture")
    else:
        path.write_text("{ torn")
    write_report(full)
    assert "None" not in " ".join(read(full / "report.html").text)
    if path.is_file():
        path.unlink()
        write_report(full)
        read(full / "report.html")


def test_what_files_say_is_shown_not_obeyed(full):
    evil = "</style><script>alert(1)</script><img src=x onerror=alert(1)>&\"'"
    (full / "recipe.yaml").write_text(RECIPE.replace("mnist", json.dumps(evil)))
    data = {
        "source": evil,
        "form": {"class_names": [evil, "b"]},
        "warnings": [evil],
        "counts": {evil: 3},
        "reference": evil,
    }
    (full / "data_report.json").write_text(json.dumps(data))
    (full / "environment.json").write_text(json.dumps({"processor": evil, evil: evil}))
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["metrics"][evil] = 1.0
    evaluation["protocol"]["sampler"] = evil
    evaluation["protocol"]["features"]["kind"] = evil
    evaluation["checks"]["not_registered"] = [evil]
    evaluation["checks"]["label_agreement_by_class"] = {evil: 0.5}
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    write_report(full)
    reader = read(full / "report.html")
    assert "<script>alert(1)</script>" in "".join(reader.text)
    assert "<script" not in (full / "README.md").read_text().replace("\\<", "")


def test_an_unlabelled_run_speaks_of_no_labels(full, monkeypatch):
    monkeypatch.chdir(full.parent.parent)
    evaluation = json.loads(json.dumps(EVALUATION))
    del evaluation["metrics"]["label_agreement"], evaluation["floor"]["label_agreement"]
    del evaluation["checks"]["label_agreement_by_class"]
    evaluation["protocol"]["features"]["accuracy"] = None
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    data = json.loads((full / "data_report.json").read_text())
    (full / "data_report.json").write_text(json.dumps({**data, "classes": {}}))
    write_report(full)
    text = "".join(read(full / "report.html").text)
    assert "label" not in text.replace("for label agreement and distance", "").lower()


def test_points_are_told_as_points(full):
    evaluation = {
        "metrics": {"energy_distance": 0.02, "sliced_wasserstein": 0.1},
        "floor": {"energy_distance": 0.001, "sliced_wasserstein": 0.03},
        "protocol": {"num": 500},
    }
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    report = {"item_shape": [2], "counts": {"train": 2000}, "source": "two-moons"}
    (full / "data_report.json").write_text(json.dumps(report))
    write_report(full)
    text = "".join(read(full / "report.html").text)
    assert "2,000 points from two-moons" in text
    assert "Sliced Wasserstein distance is 3.3 × what 500 real points score." in text


def classified(accuracy):
    def one(share, low, high):
        return {"metrics": {"accuracy": share}, "intervals": {"accuracy": [low, high]}}

    return {
        **one(accuracy, accuracy - 0.01, accuracy + 0.01),
        "baselines": {
            "logistic regression": one(0.9, 0.88, 0.92),
            "most frequent class": one(0.1, 0.09, 0.11),
        },
        "protocol": {
            "held_out": 1000,
            "weights": "ema",
            "seed": 0,
            "baseline": {"items": 10000},
        },
        "checks": {"recall_by_class": {"0": 0.99, "1": 0.95}},
    }


def test_a_classifier_is_told_as_one(full):
    recipe = RECIPE.replace("unconditional-image-generation", "image-classification")
    (full / "recipe.yaml").write_text(recipe)
    evaluation = classified(0.95)
    evaluation["metrics"]["expected_calibration_error"] = 0.05
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    for path in (full / "samples").iterdir():
        path.unlink()
    for name in ("predictions", "mistakes", "confusion"):
        (full / "samples" / f"{name}.png").write_bytes(png())
    write_report(full)
    reader = read(full / "report.html")
    text = " ".join("".join(reader.text).split())
    assert "A model for image classification, network" in text
    assert "reads 95.0% of held-out items right (logistic regression: 90.0%, most" in text
    assert "Its confidence is off by 5.0 percentage points on average." in text
    assert "Measured on 1,000 held-out items (averaged weights, seed 0)." in text
    assert "This model" in text and "Most frequent class" in text
    assert len(reader.images) == 3
    assert "amples" not in text and "noiseloom predict" in text
    assert "None" not in text
    card = (full / "README.md").read_text()
    assert "| Accuracy | 95.0% | 94.0% to 96.0% | 90.0% | 10.0% |" in card
    assert "diffusion" not in card


@pytest.mark.parametrize(
    ("accuracy", "level", "said"),
    [(0.93, "good", "right ("), (0.91, "fair", "no better than"), (0.5, "bad", "worse than")],
)
def test_accuracy_is_judged_beside_the_best_baseline(full, accuracy, level, said):
    (full / "evaluation.json").write_text(json.dumps(classified(accuracy)))
    (verdict,) = verdicts(read_facts(full))
    assert verdict.level == level
    assert said in verdict.text


@pytest.mark.parametrize(("error", "level"), [(0.01, "good"), (0.05, "fair"), (0.2, "bad")])
def test_confidence_is_judged(full, error, level):
    evaluation = {"metrics": {"expected_calibration_error": error}, "baselines": {}}
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    (verdict,) = verdicts(read_facts(full))
    assert verdict.level == level


def test_a_task_that_is_not_there_is_taken_to_draw(full):
    (full / "recipe.yaml").write_text(RECIPE.replace("unconditional-image-generation", "gone"))
    assert read_facts(full).answers == "items"


def test_uninformative_features_are_not_praised(full):
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["metrics"]["frechet_distance"] = 0.7
    evaluation["checks"] |= {"informative": False, "not_registered": ["blur", "dropped_class"]}
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    said = verdicts(read_facts(full))
    assert said[0].level == "bad"
    assert "do not register blur and a missing class" in said[0].text
    assert said[1].level == "fair"


def test_the_alarm_is_passed_on(full):
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["checks"]["memorisation"] |= {"alarm": True, "near_copies": 40}
    (full / "evaluation.json").write_text(json.dumps(evaluation))
    write_report(full)
    assert "40 samples are near-copies" in "".join(read(full / "report.html").text)
    assert "Warning: Memorisation" in (full / "README.md").read_text()


def test_an_unfinished_run_says_how_far_it_is(full):
    (full / "metrics.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in metrics_lines(20))
    )
    write_report(full)
    assert "step 200 of 400" in "".join(read(full / "report.html").text)


def test_a_large_picture_is_shrunk(full, monkeypatch):
    monkeypatch.setattr(page_parts, "MOST_BYTES", 10_000)
    monkeypatch.setattr(page_parts, "SHRUNK_WIDTH", 20)
    (full / "samples" / "final.png").write_bytes(png((100, 90)))
    write_report(full)
    content = (full / "report.html").read_text()
    assert 'width="20" height="18"' in content


def test_a_gif_too_large_is_named(full, monkeypatch):
    monkeypatch.setattr(page_parts, "MOST_BYTES", 100)
    write_report(full)
    assert "samples/denoising.gif" in "".join(read(full / "report.html").text)


def test_no_run_no_report(tmp_path):
    with pytest.raises(InputError, match=r"no recipe\.yaml"):
        write_report(tmp_path)


def test_a_place_that_cannot_be_written(full):
    (full / "report.html").mkdir()
    with pytest.raises(MachineError, match=r"report\.html"):
        write_report(full)


def test_curves_leave_what_is_not_finite_out(full):
    (full / "metrics.jsonl").write_text(
        '{"step": 1, "loss": NaN, "learning_rate": 0.1}\n{"step": 2, "loss": 1.0}\n'
        '{"step": 3, "loss": 0.5}\n[1]\n{"loss": 2}\n'
    )
    assert [line["loss"] for line in read_facts(full).steps] == [1.0, 0.5]
    assert write_curves(read_facts(full)) == full / "curves.png"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(45.2, "45 s"), (60, "1 min"), (125, "2 min 5 s"), (3600, "1 h"), (3785, "1 h 3 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3, "3"),
        (12345.6, "12,346"),
        (1.2345, "1.23"),
        (-0.00098123, "-0.00098"),
        (None, "–"),
        (True, "–"),
    ],
)
def test_numbers(value, text):
    assert number(value) == text
