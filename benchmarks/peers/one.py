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
LONG = 200  # network calls an image above which a sampler is tried on a GPU only
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
        images = samples.draw(samples.best, COUNTING)
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
    """Samples of a trained contestant by each of its ways: weights, then sampler."""

    def __init__(self, training: Training, job: Job, given: argparse.Namespace) -> None:
        self.training, self.given = training, given
        self.name = f"{job.rate:g}-{job.steps}"
        self.num = given.num
        if job.contestant == "diffusers-example":
            few = given.num if given.device == "cuda" else min(given.num, EXAMPLE_ON_CPU)
            self.num = given.example_num or few
        contestant = training.contestant
        short = {name: n for name, n in contestant.samplers.items() if n <= LONG}
        tried = short | (contestant.samplers if given.device == "cuda" else {})
        tried = dict(list(tried.items())[:1]) if job.search else tried
        self.ways = [f"{weights} {sampler}" for sampler in tried for weights in contestant.weights]
        self.distances: dict[str, float] = {}

    @property
    def best(self) -> str:
        return min(self.distances, key=lambda way: self.distances[way])

    def compare(self) -> None:
        """Fills `distances`, as far as the time goes, from the cheapest way on."""
        train = judge.read_digits(self.given.data, "train")
        critic = judge.prepare(train, judge_cache())
        reference, _ = critic.look(judge.read_digits(self.given.data, "t10k").images)
        for way in self.ways:
            if self.distances and time.time() > self.given.until:
                return
            images = torch.from_numpy(self.draw(way, CHOOSING)).permute(0, 3, 1, 2).float() / 255
            self.distances[way] = judge.frechet(critic.look(images)[0], reference)

    def draw(self, way: str, seed: int) -> np.ndarray:
        weights, sampler = way.split()
        training = self.training
        return draw(
            training.contestant,
            training.average if weights == "average" else training.network,
            sampler,
            num=self.num,
            seed=seed,
            device=training.images.device,
            precision=training.precision,
        )
