"""A transformer that reads: which package of Python's standard library does a passage come from?

    python examples/classify_text.py [--data FOLDER]

Real text that every Python has; whole files are held out. Or, with --data, sentences by sentiment:
train.tsv and dev.tsv in the form of SST-2, columns "sentence" and "label". About a minute.
"""

import argparse
import re
import sysconfig
from collections import Counter
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor, nn

from noiseloom.transformer import positions
from noiseloom.transformer.attention import Sight
from noiseloom.transformer.blocks import Block, Parts

PACKAGES = "asyncio ctypes email http importlib json logging multiprocessing sqlite3 unittest xml"
LINES, LONGEST, PADDING, UNKNOWN = 3, 48, 0, 1  # lines and words in a passage; two words' numbers
BATCH, WIDTH, DEPTH, HEADS = 64, 64, 2, 4
Examples = list[tuple[list[str], int]]


def words(text: str) -> list[str]:
    """Words; capitals and underscores part them too: `readLine` and `read_line` are alike."""
    return [word.lower() for word in re.findall(r"[A-Z]*[a-z]+|[A-Z]+|\d+|[^\w\s]", text)]


def standard_library() -> tuple[Examples, Examples]:
    """Passages of source to train on, and those of every fifth file of each package held out."""
    train, held_out = [], []
    for label, package in enumerate(PACKAGES.split()):
        files = sorted((Path(sysconfig.get_path("stdlib")) / package).rglob("*.py"))
        for index, file in enumerate(files):
            lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
            part = held_out if index % 5 == 2 else train
            for start in range(0, len(lines), LINES):
                part.append((words("\n".join(lines[start : start + LINES])), label))
    return train, held_out


def tables(folder: Path) -> list[Examples]:
    files = [(folder / name).read_text(encoding="utf-8") for name in ("train.tsv", "dev.tsv")]
    rows = [[line.split("\t") for line in file.splitlines()[1:]] for file in files]
    return [[(words(text), int(label)) for text, label in part] for part in rows]


class Classifier(nn.Module):
    def __init__(self, vocabulary: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Parameter(0.1 * torch.randn(vocabulary, WIDTH))
        parts = Parts(width=WIDTH, heads=HEADS, hidden=4 * WIDTH, activation="gelu")
        self.blocks = nn.ModuleList(Block(parts) for _ in range(DEPTH))
        self.leave = nn.Linear(WIDTH, classes)
        self.turn = positions.rotary(positions.grid([LONGEST]), WIDTH // HEADS)  # by place

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores (B, classes) of `tokens` (B, L); what padding stands beside them changes none."""
        x, seen = F.embedding(tokens, self.embed), tokens != PADDING
        for block in self.blocks:  # no token may look at padding: mask is true where one may
            x = block(x, Sight(self.turn[:, : x.shape[1]], seen[:, None, None, :]))
        x = F.layer_norm(x, (WIDTH,)).masked_fill(~seen[..., None], 0)
        return self.leave(x.sum(1) / seen.sum(1, keepdim=True).clamp(min=1))  # their mean


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600, help="training steps")
    parser.add_argument("--data", type=Path, help="folder with train.tsv and dev.tsv")
    parser.add_argument("--out", type=Path, default=Path("guesses.tsv"), help="label, guess, text")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    args = parser.parse_args()
    torch.manual_seed(args.seed)

    train, held_out = tables(args.data) if args.data else standard_library()
    counts = Counter(word for text, _ in train for word in text)  # met once: UNKNOWN
    number = {word: index for index, word in enumerate(counts - Counter(set(counts)), 2)}

    def batch(*texts: list[str]) -> Tensor:
        """Word numbers (B, L), every text padded to the longest of the batch."""
        rows = [[number.get(word, UNKNOWN) for word in text[:LONGEST]] for text in texts]
        longest = max(map(len, rows))
        return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows])

    model = Classifier(len(number) + 2, 1 + max(label for _, label in train))
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1, fused=True)
    for step in range(args.steps):
        optimizer.param_groups[0]["lr"] = 2e-3 * (1 - step / args.steps)  # settle towards the end
        chosen, labels = zip(*(train[i] for i in torch.randint(len(train), (BATCH,))), strict=True)
        tokens = batch(*chosen)
        struck = (torch.rand(tokens.shape) < 0.3) & (tokens != PADDING)  # no word decides alone
        loss = F.cross_entropy(model(tokens.masked_fill(struck, UNKNOWN)), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:5d}  loss {loss.item():.3f}")

    texts, truth = zip(*held_out, strict=True)
    with torch.no_grad():
        scores = torch.cat([model(batch(*texts[i : i + 500])) for i in range(0, len(texts), 500)])
    rows = list(zip(truth, scores.argmax(1).tolist(), map(" ".join, texts), strict=True))
    args.out.write_text("".join(f"{label}\t{guess}\t{text}\n" for label, guess, text in rows))
    right = sum(label == guess for label, guess, _ in rows) / len(rows)
    baseline = make_pipeline(TfidfVectorizer(analyzer=list), LogisticRegression(C=10, max_iter=300))
    baseline.fit(*zip(*train, strict=True))
    print(f"transformer: {100 * right:.1f}% of {len(texts)} held-out texts right")
    print(f"TF-IDF and logistic regression: {100 * baseline.score(texts, truth):.1f}%")


if __name__ == "__main__":
    main()
