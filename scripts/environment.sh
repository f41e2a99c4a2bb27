# Sourced by the scripts beside it: `prepare_environment` makes .venv, or reuses it at once when
# neither pyproject.toml nor constraints.txt has changed since. Needs Python 3.11 or newer with
# venv, and a package index; says what it downloads before it does.
# PYTHON=/path/to/python3 chooses the interpreter.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=$venv/bin/python
torch_version=$(sed -n 's/^torch==//p' "$root/constraints.txt")
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 4
}

prepare_environment() {
    local wanted
    wanted=$({ printf '%s\n' "$root"; cat "$root/pyproject.toml" "$root/constraints.txt"; } | sha256sum)
    if [[ -x $python && -f $venv/prepared && $(<"$venv/prepared") == "$wanted" ]]; then
        return
    fi
    make_venv
    if ! has_fitting_torch "$python"; then
        install_torch
    fi
    install_the_rest
    printf '%s\n' "$wanted" >"$venv/prepared"
}

make_venv() {
    if [[ ! -x $python ]]; then
        local base options=()
        base=$(find_python)
        if has_fitting_torch "$base"; then
            say "Reusing the torch of $base."
            options=(--system-site-packages)
        fi
        say "Making $venv with $("$base" --version)."
        "$base" -m venv "${options[@]}" "$venv" || fail "$venv could not be made (see above)."
    fi
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip --upgrade >/dev/null ||
        fail "$venv has no working pip. Remove that folder and run this again."
}

find_python() {
    local candidate version
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        version=$("$candidate" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        "$candidate" -c 'import venv, ensurepip' 2>/dev/null ||
            fail "$candidate cannot make virtual environments: Debian ships that separately." \
                "Install it with: apt-get install $version-venv"
        command -v "$candidate"
        return
    done
    fail "No Python 3.11 or newer was found. On Debian: apt-get install python3 python3-venv" \
        "(or set PYTHON to an interpreter)."
}

# The range in pyproject.toml, of which constraints.txt pins one version.
has_fitting_torch() {
    "$1" - "$torch_version" 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version
sys.exit(version("torch").split(".")[:2] != sys.argv[1].split(".")[:2])
PYTHON
}

install_torch() {
    say "Installing torch $torch_version: $(torch_download)."
    # Alone and pinned, since a range would give the newest CUDA build to some indexes.
    "$python" -m pip install -c "$root/constraints.txt" "torch==$torch_version" || explain_pip_failure "torch $torch_version"
}

# What the index would give, in words. Reads metadata only.
torch_download() {
    "$python" -m pip install --quiet --dry-run --no-deps --ignore-installed --report - \
        "torch==$torch_version" 2>/dev/null | "$python" -c '
import json, sys
try:
    wheel = json.load(sys.stdin)["install"][0]
except (ValueError, LookupError):
    sys.exit("a CPU build is about 200 MB, a CUDA build about 3 GB")
url = wheel["download_info"]["url"]
cuda = any("nvidia" in need or "cuda" in need for need in wheel["metadata"].get("requires_dist", []))
if cuda and "+cpu" not in url and "%2Bcpu" not in url:
    print("this index gives a CUDA build, about 3 GB with what it needs, and 6 GB on disk."
          " To save that, stop now and name an index of CPU builds (about 200 MB)"
          " in PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS", end="")
else:
    where = "from this disk" if url.startswith("file:") else "to download"
    print(f"a CPU build, about 200 MB {where}", end="")
' 2>&1
}

install_the_rest() {
    say "Installing Noiseloom and what else it needs: about 150 MB where nothing is cached."
    local constraints
    constraints=$(mktemp)
    # A torch that fits stays, even if it is not the very version pinned.
    sed '/^torch==/d' "$root/constraints.txt" >"$constraints"
    "$python" -m pip install --quiet -c "$constraints" -e "$root[dev]" || {
        rm -f "$constraints"
        explain_pip_failure "Noiseloom's packages"
    }
    rm -f "$constraints"
}

explain_pip_failure() {
    fail "pip could not install $1 for $("$python" --version) on $(uname -m) (its own words are above)." \
        "'No matching distribution' means that the index has no wheel for this Python or processor:" \
        "try another with PYTHON=python3.11, after removing $venv." \
        "Otherwise check the network, the index (pip config list) and the disk (df -h), and run this again."
}
