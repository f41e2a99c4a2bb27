"""Memory stays flat in the size of the data: ten times the images, the same peak.

Each size is prepared and gone through in a process of its own. While it is prepared, the peak of
all resident memory is compared. While items are read, that of the memory the process owns: pages of
a memory-mapped array are the file itself, which the system takes back when it needs room.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.data.conftest import WriteIdx

ALLOWED_MB = 48  # a few pages of a Parquet file, 12 MB each here, are only filled by the larger;
# a reader that holds the file at once adds 200
SMALL, LARGE, SIDE = 500, 5_000, 64  # 6 and 61 MB of pixels
SCRIPT = """
import json, sys, threading, time
import numpy as np
from noiseloom.data.images import Config
from noiseloom.training.order import Order

def memory(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what)) / 1024

own = [0.0]
def watch():
    while True:
        own[0] = max(own[0], memory("RssAnon"))
        time.sleep(0.002)

threading.Thread(target=watch, daemon=True).start()
dataset = Config(path=sys.argv[1], cache=sys.argv[2]).open()
prepared = memory("VmHWM")
num, total = len(dataset.train), 0.0
for step in range(num // 50):
    items = dataset.train.items[Order(0, 50, num).batch(step)]
    total += float(dataset.to_model(items).sum())
print(json.dumps({"num": num, "prepared": prepared, "own": own[0], "total": total}))
"""


def write_folder(folder: Path, pixels: np.ndarray, write_idx: WriteIdx) -> None:
    for index, image in enumerate(pixels):
        header = b"P6 %d %d 255\n" % (SIDE, SIDE)
        (folder / f"{index}.ppm").write_bytes(header + image.tobytes())


def write_parquet(folder: Path, pixels: np.ndarray, write_idx: WriteIdx) -> None:
    """One row group, which a careless reader would hold as a whole."""
    header = b"P6 %d %d 255\n" % (SIDE, SIDE)
    rows = [{"bytes": header + image.tobytes(), "path": None} for image in pixels]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(rows, kind)})
    pq.write_table(table, folder / "train.parquet", row_group_size=len(rows))


def write_mnists_form(folder: Path, pixels: np.ndarray, write_idx: WriteIdx) -> None:
    write_idx(folder / "train-images-idx4-ubyte", pixels)


def measured(path: Path, cache: Path) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(cache)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    "write",
    [
        write_parquet,
        pytest.param(write_folder, marks=pytest.mark.slow),
        pytest.param(write_mnists_form, marks=pytest.mark.slow),
    ],
)
def test_ten_times_the_images_need_the_same_memory(
    tmp_path: Path, write_idx: WriteIdx, write: object
) -> None:
    assert callable(write)
    random = np.random.default_rng(0)
    found = []
    for num in (SMALL, LARGE):
        folder = tmp_path / str(num)
        folder.mkdir()
        write(folder, random.integers(0, 256, (num, SIDE, SIDE, 3), dtype=np.uint8), write_idx)
        found.append(measured(folder, tmp_path / "cache"))
    small, large = found
    assert large["num"] > 9 * small["num"]
    for peak in ("prepared", "own"):
        assert large[peak] - small[peak] < ALLOWED_MB, found
