#!/usr/bin/env bash
# Sets up all that the tests need, and runs them; the exit status is pytest's, or 1 when a check
# of the code (ruff, mypy, import-linter) has found something.
#
#   bash tests/run.sh                 everything
#   bash tests/run.sh tests/core      some of it: the arguments go to pytest
#
# The virtual environment is .test-venv in the checkout.  Tests use folders and ports of their own:
# nothing of yours is read or written.  Set PYTHON to choose the interpreter (3.11 or later).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv="$PWD/.test-venv"
bin="$venv/bin"

say() { printf '\n== %s\n' "$*"; }

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or later. Install one, or set PYTHON." >&2
    return 1
}

make_venv() {
    local python
    python="$(find_python)"
    "$python" -m venv "$venv" && return
    # Debian keeps venv's pip in a package of its own.
    rm -rf "$venv"
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv "$venv"
}

# Again only when what is to be installed has changed; the package itself always.
install() {
    local wanted
    wanted="$(cksum pyproject.toml)"
    if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
        say "installing the package and what the tests need"
        pip_install '.[test,compile]'
        echo "$wanted" >"$venv/installed"
    else
        pip_install --no-deps --force-reinstall .
    fi
}

# With uv where it can be had: it takes seconds where pip takes minutes.
pip_install() {
    "$bin/python" -c 'import uv' 2>/dev/null \
        || "$bin/python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
    if "$bin/python" -c 'import uv' 2>/dev/null; then
        "$bin/python" -m uv pip install --quiet --python "$bin/python" "$@"
    else
        "$bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}

# The sidebar's tests drive Debian's Chromium, and those of clocks move them with libfaketime; without
# them they are skipped, and say so.
install_tools() {
    local wanted=()
    [ -x /usr/bin/chromium ] || wanted+=(chromium)
    [ -x /usr/bin/faketime ] || wanted+=(faketime)
    [ "${#wanted[@]}" != 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    say "installing ${wanted[*]} for the tests"
    apt-get update -qq && apt-get install -y -qq "${wanted[@]}" >/dev/null || say "they cannot be had"
}

# What a person has configured for themselves must not reach a test.
clean_environment() {
    unset JUPYTER_DEPLOY_HOME JUPYTER_DEPLOY_PORT MLFLOW_TRACKING_URI MLFLOW_REGISTRY_URI PYTHONPATH
    unset JUPYTER_TOKEN JUPYTER_CONFIG_DIR JUPYTER_CONFIG_PATH JUPYTER_DATA_DIR JUPYTER_PATH
    export JUPYTER_PREFER_ENV_PATH=1
    export PATH="$bin:$PATH"
    scratch="$(mktemp -d)"
    trap 'rm -rf "$scratch"' EXIT
    export HOME="$scratch/home" JUPYTER_DEPLOY_HOME="$scratch/deploy" IPYTHONDIR="$scratch/ipython"
    mkdir -p "$HOME"
}

[ -x "$bin/python" ] || { say "making $venv"; make_venv; }
install
install_tools
clean_environment

say "ruff, mypy, import-linter"
checks=0
ruff check . || checks=1
ruff format --check . || checks=1
mypy || checks=1
lint-imports || checks=1

say "pytest"
status=0
pytest "$@" </dev/null || status=$?
[ "$checks" = 0 ] || echo "error: ruff, mypy or import-linter found something; see above." >&2
exit "$((status ? status : checks))"
