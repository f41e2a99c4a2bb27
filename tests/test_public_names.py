"""The public names: a change here is a change for every user, and gets a line in CHANGELOG.md."""

import subprocess
import sys

import noiseloom

NAMES = {
    "Autoguidance",
    "ClassifierFree",
    "ClassifierGuidance",
    "DataError",
    "Denoiser",
    "Editor",
    "InputError",
    "MachineError",
    "OBJECTIVES",
    "Prediction",
    "Predictions",
    "Random",
    "Recipe",
    "Run",
    "SAMPLERS",
    "SCHEDULES",
    "Samples",
    "Schedule",
    "Step",
    "TIMES",
    "__version__",
    "add_noise",
    "plan_times",
    "shipped_recipes",
}


def test_exactly_these_and_each_is_there() -> None:
    assert set(noiseloom.__all__) == NAMES
    for name in NAMES:
        assert getattr(noiseloom, name) is not None


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, noiseloom; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
