"""One training of one contestant, and the samples by which it is judged."""

import argparse
import json
import time
from dataclasses import asdict

import judge
import numpy as np
import torch

from peers import contestant
from peers.folder import add_arrays, judge_cache, read, write
from peers.jobs import Job
from peers.training import Training, draw

CHOOSING, COUNTING = 1, 2  # seeds of the samples
SHARE = 0.5  # of the samples that count are drawn for choosing
LONG = 100  # network calls an image above which a sampler is tried on a GPU only
EXAMPLE_ON_CPU = 200  # samples of diffusers-example, of which 1,000 take hours


def train_one(given: argparse.Namespace) -> None:
    """Writes run.json, and samples.npz unless it is a search or was stopped by the clock."""
    if given.threads:
        torch.set_num_threads(given.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    job, on_gpu = Job(**json.loads(given.job)), given.device == "cuda"
    training = _prepare(job, given)
    began = time.time()
    steps_made = training.run(until=given.until, capture=on_gpu and not given.no_capture)
    trained = time.time()
    samples = Samples(training, job, given)
    if steps_made == job.steps:
        samples.compare()
    if samples.distances and not job.search:
        images = samples.draw(samples.best, COUNTING, samples.num)
        add_arrays(given.out / "samples.npz", {samples.name: images})
    run = {
        **asdict(job),
        "steps_made": steps_made,
        "seconds": trained - began,
        "sampling_seconds": time.time() - trained,
        "last_loss": float(training.last_loss),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "precision": training.precision,
        "num": samples.num,
        "candidates": samples.distances,
        "array": samples.name,
    }
    write(given.out / "run.json", run)


def _prepare(job: Job, given: argparse.Namespace) -> Training:
    digits = judge.read_digits(given.data, "train")
    precision = read(given.times)["contestants"][job.contestant]["precision"]
    return Training(
        contestant(job.contestant),
        job.rate,
        digits.images.to(given.device),
        digits.labels.to(given.device),
        steps=job.steps,
        seed=0,
        precision="float32" if given.device == "cuda" else precision,
    )


class Samples:
    """Samples of a trained contestant in each of its ways: which weights, which sampler."""

    def __init__(self, training: Training, job: Job, given: argparse.Namespace) -> None:
        self.training, self.given = training, given
        self.calls = training.contestant.samplers
        self.name = f"{job.rate:g}-{job.steps}"
        self.num = given.num
        if job.contestant == "diffusers-example":
            few = given.num if given.device == "cuda" else min(given.num, EXAMPLE_ON_CPU)
            self.num = given.example_num or few
        tried = [name for name, n in self.calls.items() if n <= LONG or given.device == "cuda"]
        tried = tried[:1] if job.search else tried
        self.ways = [(which, name) for name in tried for which in training.contestant.weights]
        self.distances: dict[str, float] = {}

    @property
    def best(self) -> str:
        return min(self.distances, key=lambda way: self.distances[way])

    def compare(self) -> None:
        """Fills `distances`; leaves out a way that, with the samples that count, ends too late."""
        train = judge.read_digits(self.given.data, "train")
        critic = judge.prepare(train, judge_cache())
        reference, _ = critic.look(judge.read_digits(self.given.data, "t10k").images)
        few, call_seconds = max(2, round(SHARE * self.num)), 0.0
        for which, sampler in self.ways:
            began = time.time()
            left = call_seconds * self.calls[sampler] * (few + self.num)
            if self.distances and began + left > self.given.until:
                continue
            images = self.draw(f"{which} {sampler}", CHOOSING, few)
            call_seconds = (time.time() - began) / self.calls[sampler] / few
            looked_at = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            distance = judge.frechet(critic.look(looked_at)[0], reference)
            self.distances[f"{which} {sampler}"] = distance

    def draw(self, way: str, seed: int, num: int) -> np.ndarray:
        which, sampler = way.split()
        training = self.training
        return draw(
            training.contestant,
            training.average if which == "average" else training.network,
            sampler,
            num=num,
            seed=seed,
            device=training.images.device,
            precision=training.precision,
        )
