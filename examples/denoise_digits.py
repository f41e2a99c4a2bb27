"""A denoising network becomes a generator: digits out of pure noise, with a plain MLP.

    python examples/denoise_digits.py --out digits.png

Train a network to take noise off digits at every noise level; then start from noise alone and take
it off little by little. Data: the 1,797 8x8 digits that come with scikit-learn. About a minute.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from torch import Tensor, nn

from noiseloom.diffusion.denoiser import Denoiser, Statistics
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.samplers import heun, plan_times
from noiseloom.diffusion.schedules import LinearBeta
from noiseloom.media import grid, save_png
from noiseloom.seeds import Random
from noiseloom.transformer.positions import frequencies, waves

CLASSES, BATCH, WIDTH, DEPTH = 10, 128, 256, 3


class Network(nn.Module):
    """Guesses the noise in `x` (B, 64), knowing how noisy it is and which digit it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Linear(64, WIDTH)
        self.label = nn.Embedding(CLASSES, WIDTH)
        self.enter = nn.Linear(64, WIDTH)
        hidden = 2 * WIDTH
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(WIDTH), nn.Linear(WIDTH, hidden), nn.GELU(), nn.Linear(hidden, WIDTH)
            )
            for _ in range(DEPTH)
        )
        self.leave = nn.Linear(WIDTH, 64)

    def forward(self, x: Tensor, level: Tensor, label: Tensor, random: None) -> Tensor:
        # the level is one number; waves of many lengths let a linear map tell any two apart
        told = self.level(waves(level, frequencies(0.5, 60.0, 32))) + self.label(label)
        hidden = self.enter(x)
        for block in self.blocks:
            hidden = hidden + block(hidden + told)
        return self.leave(F.layer_norm(hidden, (WIDTH,)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3000, help="training steps")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="where samples go")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    # Real digits, pixels from -1 to 1; a fifth is held out and seen by no model.
    pixels, labels = load_digits(return_X_y=True)
    real, held_out, label, held_out_label = train_test_split(
        pixels / 8 - 1, labels, test_size=0.2, stratify=labels, random_state=args.seed
    )
    data, data_label = torch.tensor(real, dtype=torch.float32), torch.tensor(label)

    # The forward process: xt = alpha(t) x0 + sigma(t) noise (arXiv:2107.00630, eq. 1), with the
    # alpha and sigma of arXiv:2011.13456, eq. 33: x0 is intact at t = 0 and drowned at t = 1.
    schedule = LinearBeta()
    statistics = Statistics(data.mean(0), float((data - data.mean(0)).std()))
    # The denoiser scales xt to unit variance, tells the network how noisy it is, and solves the
    # equation above for x0: whoever knows xt and the noise knows x0 = (xt - sigma noise) / alpha.
    denoiser = Denoiser(Network(), schedule, target="noise", statistics=statistics)

    optimizer = torch.optim.AdamW(denoiser.parameters(), fused=True)
    for step in range(args.steps):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / args.steps)  # settle towards the end
        chosen = torch.randint(len(data), (BATCH,))
        x0, noise = data[chosen], torch.randn(BATCH, 64)
        t = schedule.t_min + (schedule.t_max - schedule.t_min) * torch.rand(BATCH)  # one per item
        xt = add_noise(schedule, x0, noise, t)
        loss = (
            (denoiser(xt, t, data_label[chosen]).noise - noise).square().mean()
        )  # arXiv:2006.11239, eq. 14
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            print(f"step {step:5d}  loss {loss.item():.3f}")

    # Sampling follows dx/dt = alpha' x0 + sigma' noise, both as the denoiser believes them, from
    # t = 1 to 0 (the probability-flow ODE, arXiv:2011.13456, eq. 13) with Heun's method.
    asked = torch.arange(CLASSES).repeat(20)
    random = Random(args.seed, range(len(asked)))
    start, plan = random.normal("start", (64,)), plan_times(schedule, 12)
    for move in heun(lambda xt, t: denoiser(xt, t, asked), start, plan, schedule, random):
        samples = move.x0.clamp(-1, 1)

    # Does a classifier that knows real digits only see in each sample the digit asked for? And are
    # the samples new? A copy lies at distance 0 from its original; new digits keep theirs.
    judge = SVC(gamma=0.02).fit(real, label)
    for name, items, truth in (
        ("samples", samples.numpy(), asked),
        ("real, held out", held_out, held_out_label),
    ):
        agreement = 100 * judge.score(items, truth)
        nearest = torch.cdist(torch.tensor(items).float(), data).min(dim=1).values.median()
        print(f"{name}: {agreement:.1f}% of {len(items)} read as the digit asked for; ", end="")
        print(f"median distance to the nearest training digit {nearest:.2f}")
    sheet = ((samples[:100].reshape(-1, 8, 8, 1) + 1) * 127.5).round().byte().numpy()
    print(f"samples: {save_png(grid(sheet, columns=CLASSES), args.out)}")


if __name__ == "__main__":
    main()
