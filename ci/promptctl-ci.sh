#!/bin/sh
# The gate for prompts, on any system that runs a shell; docs/ci.md says how to set it up. It needs git.
#
#   promptctl-ci.sh [gate]          test what the branch changes, compare with its base, write the reports
#   promptctl-ci.sh merge PART...   the same, with the reports of all shards in the place of the test
#   promptctl-ci.sh comment         post or update the comment of the pull request
#   promptctl-ci.sh install         put promptctl on the path
#   promptctl-ci.sh verdict         end with the code of the gate, and say what it means
#
# All settings are variables, so that no text of a pull request is ever part of a command line:
#
#   PROMPTCTL_CI_DIRECTORY     the project's folder (default: this one)
#   PROMPTCTL_CI_BASE          the commit or branch to compare with (default on GitLab: that of the merge request); where
#                              there is none, everything is tested and nothing compared
#   PROMPTCTL_CI_HEAD          the last commit of the pull request, so that a merge commit made of it is recognised
#   PROMPTCTL_CI_COMPARE       false: do not compare (default: true)
#   PROMPTCTL_CI_REPORTS       where the reports go (default: promptctl-report)
#   PROMPTCTL_CI_FORMATS       reports beside JSON, such as "html junit" (default: html)
#   PROMPTCTL_CI_SHARD         K/N: test only this part; `merge` does the rest
#   PROMPTCTL_CI_TEST_ARGS     more arguments of `promptctl test`, one a line
#   PROMPTCTL_CI_COMPARE_ARGS  more arguments of `promptctl compare`, one a line
#   PROMPTCTL_CI_DEFER         true: `gate` and `merge` end with 0; `verdict` fails later
#   PROMPTCTL_CI_COMMENT_NAME  tells apart the comments of several gates on one pull request (default: report)
#
# and for `install`: PROMPTCTL_CI_INSTALL (release, pip, cargo, source or path), PROMPTCTL_CI_VERSION, PROMPTCTL_CI_SHA256,
# PROMPTCTL_CI_RELEASES (where releases are, such as https://HOST/OWNER/promptctl/releases/download), PROMPTCTL_CI_BIN
# (the folder to install into).
set -eu

NEWLINE='
'
directory=${PROMPTCTL_CI_DIRECTORY:-.}
reports=${PROMPTCTL_CI_REPORTS:-promptctl-report}
# Replayed and nothing written, also where the system does not say that it is one.
export CI="${CI:-true}"

say() { printf '%s\n' "promptctl-ci: $*" >&2; }

fail() {
  say "$*"
  exit 2
}

# A warning that people see where they look.
warn() {
  if [ "${GITHUB_ACTIONS:-}" = true ]; then
    printf '::warning title=promptctl::%s\n' "$*"
  else
    say "$*"
  fi
}

# Where a code stands among the others, the worst last. What is no code of promptctl's (a crash, a kill) is worse than all.
rank() {
  case $1 in
    0) echo 0 ;; 4) echo 1 ;; 5) echo 2 ;; 6) echo 3 ;; 3) echo 4 ;; 1) echo 5 ;; 2) echo 6 ;; 130) echo 7 ;; *) echo 8 ;;
  esac
}

worse() {
  if [ "$(rank "$1")" -ge "$(rank "$2")" ]; then echo "$1"; else echo "$2"; fi
}

meaning() {
  case $1 in
    0) echo "all good" ;;
    1) echo "answers failed or regressed" ;;
    2) echo "the project or the command line is wrong" ;;
    3) echo "an answer could not be had" ;;
    4) echo "nothing was selected" ;;
    5) echo "something waits for review or for a recording: run \`promptctl test\` and \`promptctl review\` on the branch, and commit what they wrote" ;;
    6) echo "incomplete: the budget was spent, or a key is missing" ;;
    130) echo "interrupted" ;;
    *) echo "promptctl did not end by itself" ;;
  esac
}

# Tells the steps that follow.
output() {
  if [ -n "${GITHUB_OUTPUT:-}" ]; then printf '%s\n' "$1=$2" >>"$GITHUB_OUTPUT"; fi
}

# A path that holds in every folder.
absolute() {
  case $1 in
    /* | [A-Za-z]:*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$PWD/$1" ;;
  esac
}

# The commit to compare with. Where a host made a merge commit of the pull request, it is what that merged into: what others
# did on the branch since is on both sides then.
base_commit() {
  head=${PROMPTCTL_CI_HEAD:-${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-}}
  if [ -n "$head" ] && [ "$(git -C "$directory" rev-parse -q --verify 'HEAD^2' || true)" = "$head" ]; then
    git -C "$directory" rev-parse --verify 'HEAD^1'
  else
    printf '%s\n' "${PROMPTCTL_CI_BASE:-${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}}"
  fi
}

# Runs promptctl with the arguments that are given and those of a variable, a line each; the exit code is $code.
run() {
  more=$1
  shift
  set -f
  before=$IFS
  IFS=$NEWLINE
  # shellcheck disable=SC2086 # cut at line ends alone, and no pattern is expanded
  set -- "$@" $more
  IFS=$before
  set +f
  code=0
  promptctl -C "$directory" "$@" || code=$?
}

# The reports of one command as arguments, a line each: on standard output for people, and into files.
report_arguments() {
  if [ "${GITHUB_ACTIONS:-}" = true ]; then echo "--report=github"; else echo "--report=human"; fi
  echo "--report=json=$reports/$1.json"
  for format in ${PROMPTCTL_CI_FORMATS-html}; do
    case $1/$format in
      # What happens in a run, which a comparison is not.
      compare/jsonl) continue ;;
      */junit) ending=junit.xml ;;
      */gitlab) ending=gitlab.json ;;
      */markdown) ending=md ;;
      *) ending=$format ;;
    esac
    echo "--report=$format=$reports/$1.$ending"
  done
}

compare_with_base() {
  compared=0
  base=$(base_commit)
  if [ -z "$base" ] || [ "${PROMPTCTL_CI_COMPARE:-true}" != true ]; then return; fi
  # Where no prompt changed, every prompt would be compared with itself.
  if [ -z "${PROMPTCTL_CI_COMPARE_ARGS:-}" ] && grep -q '^"exit_code":0,"summary":{"planned":0,' "$reports/test.json"; then
    say "no prompt changed, so nothing is compared"
    return
  fi
  # A base that holds no project, or a broken one, is nothing to be compared with; the test has said what it is.
  if git -C "$directory" rev-parse -q --verify "$base^{commit}" >/dev/null &&
    ! promptctl -C "$directory" list --at "$base" >/dev/null 2>&1; then
    warn "nothing is compared: there is no project that can be loaded at the base, ${base}"
    return
  fi
  run "$(report_arguments compare)$NEWLINE${PROMPTCTL_CI_COMPARE_ARGS:-}" compare "$base...HEAD"
  compared=$code
  # Nothing that can be compared is no fault: whether the answers are there, the test has said.
  if [ "$compared" = 4 ]; then compared=0; fi
}

# Ends as the worst of both, now or later.
conclude() {
  worst=$(worse "$tested" "$compared")
  printf '%s\n' "$worst" >"$reports/exit-code"
  output test-exit-code "$tested"
  output compare-exit-code "$compared"
  output exit-code "$worst"
  output reports "$reports"
  if [ "${PROMPTCTL_CI_DEFER:-}" = true ]; then exit 0; fi
  verdict
}

verdict() {
  worst=
  if [ -f "$reports/exit-code" ]; then worst=$(cat "$reports/exit-code"); fi
  case $worst in
    '' | *[!0-9]*) fail "the gate did not come to its end" ;;
  esac
  say "exit code $worst: $(meaning "$worst")"
  exit "$worst"
}

# A folder without what an earlier run left.
fresh_reports() {
  # What a stranger wrote would be read where a token may write and secrets are.
  if [ "${GITHUB_EVENT_NAME:-}" = pull_request_target ]; then
    fail "this is for the event pull_request, not pull_request_target: docs/ci.md says how to comment on a fork's pull request"
  fi
  mkdir -p "$reports"
  reports=$(absolute "$reports")
  rm -f "$reports/exit-code"
  for ending in json html md junit.xml gitlab.json jsonl tap human github; do
    rm -f "$reports/test.$ending" "$reports/compare.$ending"
  done
}

gate() {
  fresh_reports
  base=$(base_commit)
  set --
  if [ -n "$base" ]; then set -- "--changed=$base"; fi
  if [ -n "${PROMPTCTL_CI_SHARD:-}" ]; then set -- "$@" "--shard=$PROMPTCTL_CI_SHARD"; fi
  run "$(report_arguments test)$NEWLINE${PROMPTCTL_CI_TEST_ARGS:-}" test "$@"
  tested=$code
  compared=0
  # The parts of a divided run are compared once, where they are put together; a project that cannot be loaded, never.
  if [ -z "${PROMPTCTL_CI_SHARD:-}" ] && [ "$tested" != 2 ] && [ "$tested" != 130 ]; then compare_with_base; fi
  conclude
}

merge() {
  [ $# -gt 0 ] || fail "name the JSON reports of all shards: promptctl-ci.sh merge PART..."
  fresh_reports
  for part in "$@"; do
    set -- "$@" "$(absolute "$part")"
    shift
  done
  run "$(report_arguments test)" merge "$@"
  tested=$code
  compared=0
  if [ "$tested" != 2 ] && [ "$tested" != 130 ]; then compare_with_base; fi
  conclude
}

# The reports may come from a fork: files are taken by their known names alone, never through a link; what is in them is read
# and written out anew by promptctl.
comment() {
  set --
  for name in test compare; do
    file=$reports/$name.json
    if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
  done
  if [ $# = 0 ]; then
    warn "there is no report to comment on: the gate wrote none"
    exit 0
  fi
  code=0
  promptctl comment "$@" --name "${PROMPTCTL_CI_COMMENT_NAME:-report}" || code=$?
  # The verdict is on the answers; a comment that could not be posted is said and does not change it.
  if [ "$code" != 0 ]; then warn "the comment was not posted (exit code $code); the log of this step says why"; fi
}

checksum() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | tr -d '\134' | cut -d ' ' -f 1
}

fetch() {
  curl --fail --silent --show-error --location --retry 3 --proto '=https,file' --proto-redir '=https' --output "$2" "$1" ||
    fail "could not download $1"
}

target() {
  machine=$(uname -m)
  case $machine in
    x86_64 | amd64 | AMD64) machine=x86_64 ;;
    arm64 | aarch64 | ARM64) machine=aarch64 ;;
    *) fail "there is no released binary for $machine: PROMPTCTL_CI_INSTALL=cargo builds one" ;;
  esac
  case $(uname -s) in
    Linux)
      # Where the C library is musl (Alpine), a binary for glibc does not run.
      case $(ls /lib/ld-musl-* 2>/dev/null) in
        '') echo "$machine-unknown-linux-gnu" ;;
        *) echo "$machine-unknown-linux-musl" ;;
      esac
      ;;
    Darwin) echo "$machine-apple-darwin" ;;
    MINGW* | MSYS* | CYGWIN*) echo "x86_64-pc-windows-msvc" ;;
    *) fail "there is no released binary for $(uname -s): PROMPTCTL_CI_INSTALL=cargo builds one" ;;
  esac
}

# The version that goes with this file, where it lies in promptctl's own repository.
own_version() {
  sed -n 's/^version = "\(.*\)"$/\1/p' "$source/Cargo.toml" 2>/dev/null | head -n 1
}

install_release() {
  [ -n "$version" ] || fail "set PROMPTCTL_CI_VERSION to the release to install"
  [ -n "${PROMPTCTL_CI_RELEASES:-}" ] ||
    fail "set PROMPTCTL_CI_RELEASES to where releases are: https://HOST/OWNER/promptctl/releases/download"
  # Asked on its own, so that its failure ends the script.
  triple=$(target)
  name="promptctl-$version-$triple"
  fetch "$PROMPTCTL_CI_RELEASES/v$version/$name.tar.gz" "$work/$name.tar.gz"
  found=$(checksum "$work/$name.tar.gz")
  fetch "$PROMPTCTL_CI_RELEASES/v$version/SHA256SUMS" "$work/SHA256SUMS"
  expected=$(tr -d '\r' <"$work/SHA256SUMS" | awk -v file="$name.tar.gz" '$2 == file || $2 == "*" file { print $1 }')
  [ -n "$expected" ] || fail "SHA256SUMS of v$version does not name $name.tar.gz"
  [ "$found" = "$expected" ] || fail "$name.tar.gz has the SHA-256 $found, and SHA256SUMS says $expected: not installed"
  if [ -n "${PROMPTCTL_CI_SHA256:-}" ] && [ "$found" != "$PROMPTCTL_CI_SHA256" ]; then
    fail "$name.tar.gz has the SHA-256 $found, and $PROMPTCTL_CI_SHA256 is asked for: not installed"
  fi
  tar -xzf "$work/$name.tar.gz" -C "$work"
  for program in promptctl promptctl.exe; do
    if [ -f "$work/$name/$program" ]; then mv -f "$work/$name/$program" "$bin/$program"; fi
  done
}

install_pip() {
  python=$(command -v python3 || command -v python) || fail "there is no Python to install with"
  "$python" -m venv "$bin/venv"
  scripts=$bin/venv/bin
  if [ -d "$bin/venv/Scripts" ]; then scripts=$bin/venv/Scripts; fi
  "$scripts/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "promptctl${version:+==$version}" 1>&2 ||
    fail "pip could not install promptctl${version:+ $version}"
  bin=$scripts
}

install() {
  source=$(dirname "$0")/..
  version=${PROMPTCTL_CI_VERSION:-$(own_version)}
  how=${PROMPTCTL_CI_INSTALL:-release}
  bin=$(absolute "${PROMPTCTL_CI_BIN:-$HOME/.local/share/promptctl-ci}")
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  case $how in
    path) ;;
    release | pip | cargo | source) mkdir -p "$bin" ;;
    *) fail "PROMPTCTL_CI_INSTALL is release, pip, cargo, source or path, not '$how'" ;;
  esac
  case $how in
    path) bin=$(command -v promptctl) || fail "promptctl is not on the path" ;;
    release) install_release ;;
    pip) install_pip ;;
    cargo)
      cargo install promptctl --locked --root "$bin" ${version:+--version "$version"} 1>&2 || fail "cargo could not install promptctl"
      bin=$bin/bin
      ;;
    source)
      cargo install --locked --root "$bin" --path "$source" 1>&2 || fail "cargo could not build promptctl"
      bin=$bin/bin
      ;;
  esac
  if [ "$how" = path ]; then bin=$(dirname "$bin"); fi
  # Asked on its own, so that a binary that does not run ends the script.
  installed=$("$bin/promptctl" --version)
  say "$installed, from $bin"
  if [ -n "${GITHUB_PATH:-}" ]; then printf '%s\n' "$bin" >>"$GITHUB_PATH"; fi
  # What a shell can take: PATH=$(promptctl-ci.sh install):$PATH
  printf '%s\n' "$bin"
}

command=${1:-gate}
if [ $# -gt 0 ]; then shift; fi
case $command in
  gate | comment | install | verdict)
    [ $# = 0 ] || fail "$command takes no arguments: settings are variables, see the head of this file"
    "$command"
    ;;
  merge) merge "$@" ;;
  *) fail "unknown command '$command': gate, merge, comment, install or verdict" ;;
esac
