"""A transformer that draws: diffusion on patches as tokens, steered by guidance.

    python examples/diffusion_transformer.py --out digits.png

As denoise_digits.py, but a picture is a row of patches (arXiv:2212.09748). About a minute.
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
from noiseloom.diffusion.guidance import ClassifierFree
from noiseloom.diffusion.process import add_noise
from noiseloom.diffusion.samplers import heun, plan_times
from noiseloom.diffusion.schedules import RectifiedFlow
from noiseloom.media import grid, save_png
from noiseloom.networks.embeddings import LevelAndLabel
from noiseloom.seeds import Random
from noiseloom.transformer import positions
from noiseloom.transformer.attention import Sight
from noiseloom.transformer.blocks import Block, Parts
from noiseloom.transformer.modulation import Modulation

NO_LABEL, SIDE, PATCH, ROWS = 10, 8, 2, 4  # ROWS x ROWS = 16 tokens a picture
BATCH, WIDTH, DEPTH, HEADS = 64, 64, 3, 2


class DiffusionTransformer(nn.Module):
    """Guesses the clean picture behind `x` (B, 1, 8, 8), told its noise level and its digit."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(PATCH**2, WIDTH)
        self.position = nn.Parameter(0.1 * torch.randn(ROWS**2, WIDTH))
        self.condition = LevelAndLabel(WIDTH, num_classes=NO_LABEL)
        # level and digit scale, shift and gate every branch of every block (arXiv:2310.00426, 2.3)
        self.modulation = Modulation(WIDTH, condition_width=WIDTH, branches=2)
        parts = Parts(width=WIDTH, heads=HEADS, hidden=4 * WIDTH, activation="gelu", modulated=True)
        self.blocks = nn.ModuleList(Block(parts) for _ in range(DEPTH))
        self.leave = nn.Linear(WIDTH, PATCH**2)
        self.turn = positions.rotary(positions.grid([ROWS, ROWS]), WIDTH // HEADS)  # by place

    def forward(self, x: Tensor, level: Tensor, label: Tensor, random: None) -> Tensor:
        modulation = self.modulation(self.condition(level, label))[:, None]  # alike for all tokens
        patches = F.unfold(x, PATCH, stride=PATCH).transpose(1, 2)  # (B, 16 tokens, 4 pixels)
        tokens = self.enter(patches) + self.position
        for block in self.blocks:  # every patch looks at every other, then thinks for itself
            tokens = block(tokens, Sight(self.turn), modulation=modulation)
        patches = self.leave(F.layer_norm(tokens, (WIDTH,)))
        return F.fold(patches.transpose(1, 2), SIDE, PATCH, stride=PATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1200, help="training steps")
    parser.add_argument("--out", type=Path, default=Path("digits.png"), help="where samples go")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    # scikit-learn's real digits, pixels from -1 to 1; a fifth is held out and seen by no model
    pixels, labels = load_digits(return_X_y=True)
    split = {"test_size": 0.2, "stratify": labels, "random_state": args.seed}
    real, held_out, label, held_out_label = train_test_split(pixels / 8 - 1, labels, **split)
    data, data_label = torch.tensor(real).float().view(-1, 1, SIDE, SIDE), torch.tensor(label)
    schedule = RectifiedFlow()  # straight lines: xt = (1 - t) x0 + t noise (arXiv:2209.03003)
    statistics = Statistics(data.mean(0), float((data - data.mean(0)).std()))
    # xt is blended in, so that answering 0 is a fair guess already (arXiv:2206.00364, section 5)
    parts = {"target": "x0", "preconditioning": "edm", "statistics": statistics}
    denoiser = Denoiser(DiffusionTransformer(), schedule, **parts)

    optimizer = torch.optim.AdamW(denoiser.parameters(), betas=(0.9, 0.99), fused=True)
    for step in range(args.steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / args.steps)  # settle towards the end
        chosen = torch.randint(len(data), (BATCH,))
        x0, noise = data[chosen], torch.randn(BATCH, 1, SIDE, SIDE)
        t = torch.sigmoid(0.4 + torch.randn(BATCH))  # mostly middling (arXiv:2403.03206, eq. 19)
        # a tenth learns without its label, for guidance to compare with (arXiv:2207.12598)
        told = data_label[chosen].masked_fill(torch.rand(BATCH) < 0.1, NO_LABEL)
        error = denoiser(add_noise(schedule, x0, noise, t), t, told).x0 - x0
        # The velocity d xt / dt = noise - x0 is what sampling follows (arXiv:2209.03003, eq. 1);
        # an error in x0 is 1/t times as large in it, bounded here where t is near 0.
        loss = (error / t.clamp(min=0.05)[:, None, None, None]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"step {step:5d}  loss {loss.item():.3f}")

    asked = torch.arange(10).repeat(20)
    random, plan = Random(args.seed, range(len(asked))), plan_times(schedule, 8)
    to_judge = {"real, held out": (held_out, held_out_label)}
    for scale in (1.0, 1.5):  # x0 = x0 without label + scale (x0 with label - x0 without label)
        guidance, no_label = ClassifierFree(scale=scale), torch.full_like(asked, NO_LABEL)
        denoise, start = guidance.wrap(denoiser, asked, no_label), random.normal("start", (1, 8, 8))
        for move in heun(denoise, start, plan, schedule, random):
            samples = move.x0.clamp(-1, 1)
        to_judge[f"samples, guidance {scale}"] = samples.flatten(1).numpy(), asked

    # Does a classifier that knows real digits only see in each sample the digit asked for? And are
    # the samples new? A copy lies at distance 0 from its original; new digits keep theirs.
    judge = SVC(gamma=0.02).fit(real, label)
    for name, (items, truth) in to_judge.items():
        agreement = 100 * judge.score(items, truth)
        nearest = torch.cdist(torch.tensor(items).float(), data.flatten(1)).min(dim=1).values
        print(f"{name}: {agreement:.1f}% of {len(items)} read as the digit asked for; ", end="")
        print(f"median distance to the nearest training digit {nearest.median():.2f}")
    sheet = ((samples[:100].movedim(1, -1) + 1) * 127.5).round().byte().numpy()
    print(f"samples, guidance {scale}: {save_png(grid(sheet, columns=10), args.out)}")


if __name__ == "__main__":
    main()
