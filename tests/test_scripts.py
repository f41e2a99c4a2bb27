"""The set-up that the scripts share: quick the second time, and clear about what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ["bash", "cat", "dirname", "mktemp", "rm", "sed", "sha256sum", "uname"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the set-up reads, and a PATH with no Python on it."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/environment.sh", tmp_path / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def prepare(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", "set -euo pipefail; source scripts/environment.sh; prepare_environment"],
        cwd=checkout,
        env={"PATH": str(checkout / "bin"), "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
    )


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def test_no_python_names_the_packages(checkout: Path) -> None:
    done = prepare(checkout)
    assert done.returncode == 4
    assert "apt-get install python3 python3-venv" in done.stderr


def test_python_without_venv_names_its_package(checkout: Path) -> None:
    script(
        checkout / "bin/python3",
        f'[[ $2 == "import venv, ensurepip" ]] && exit 1; exec {sys.executable} "$@"',
    )
    done = prepare(checkout)
    assert done.returncode == 4
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt-get install {version}-venv" in done.stderr


def test_a_failing_index_is_explained_and_tried_again_next_time(checkout: Path) -> None:
    script(checkout / ".venv/bin/python", '[[ "$*" == "-m pip --version" ]]')
    done = prepare(checkout)
    assert done.returncode == 4
    assert "pip could not install torch" in done.stderr
    assert not (checkout / ".venv/prepared").exists()


def test_a_fitting_torch_is_kept_and_a_prepared_environment_reused(checkout: Path) -> None:
    script(checkout / ".venv/bin/python", f'echo "$*" >> {checkout}/calls')
    assert prepare(checkout).returncode == 0
    calls = (checkout / "calls").read_text()
    assert calls.count(" install ") == 1
    assert f"-e {checkout}[dev]" in calls
    assert prepare(checkout).returncode == 0
    assert (checkout / "calls").read_text() == calls
    (checkout / "constraints.txt").write_text("torch==2.13.1\n")
    assert prepare(checkout).returncode == 0
    assert (checkout / "calls").read_text() != calls


@pytest.mark.parametrize("name", ["scripts/check", "scripts/test", "scripts/demo", ".ci/run"])
def test_scripts_are_executable_and_valid(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)
