#!/usr/bin/env bash
# Installs iotjob: the archive of a release, checked against its checksum, or a build of a git ref.
#   IOTJOB_REPOSITORY  URL of the repository
#   IOTJOB_VERSION     release to install, such as v0.1.0
#   IOTJOB_REF         instead of a release, a branch, tag or commit to build
#   IOTJOB_HOME        where to install; default: a folder of the runner's
set -euo pipefail

home=${IOTJOB_HOME:-${RUNNER_TEMP:-${TMPDIR:-/tmp}}/iotjob}
mkdir -p "$home/bin"

if [ -n "${IOTJOB_REF:-}" ]; then
  case $IOTJOB_REF in
    *[!0-9a-f]*) choice=--branch ;;
    *) choice=--rev ;;
  esac
  if git ls-remote --exit-code --tags "$IOTJOB_REPOSITORY" "refs/tags/$IOTJOB_REF" >/dev/null; then
    choice=--tag
  fi
  cargo install --locked --root "$home" --git "$IOTJOB_REPOSITORY" "$choice" "$IOTJOB_REF"
elif [ -n "${IOTJOB_VERSION:-}" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) target=x86_64-unknown-linux-gnu ;;
    Linux-aarch64) target=aarch64-unknown-linux-gnu ;;
    Darwin-x86_64) target=x86_64-apple-darwin ;;
    Darwin-arm64) target=aarch64-apple-darwin ;;
    MINGW*-x86_64 | MSYS*-x86_64) target=x86_64-pc-windows-msvc ;;
    *)
      echo "there is no archive for $(uname -s) on $(uname -m): give a ref to build instead of a version" >&2
      exit 1
      ;;
  esac
  name=iotjob-$IOTJOB_VERSION-$target
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  cd "$unpacked"
  for file in "$name.tar.gz" "$name.tar.gz.sha256"; do
    curl --fail --location --silent --show-error --retry 3 --output "$file" \
      "$IOTJOB_REPOSITORY/releases/download/$IOTJOB_VERSION/$file"
  done
  if command -v sha256sum >/dev/null; then check="sha256sum --check --quiet"; else check="shasum -a 256 --check --quiet"; fi
  $check "$name.tar.gz.sha256" || { echo "the archive is not the one that was released: nothing is installed" >&2; exit 1; }
  tar -xzf "$name.tar.gz"
  mv "$name"/iotjob "$home/bin/" 2>/dev/null || mv "$name"/iotjob.exe "$home/bin/"
else
  echo "name a version or a ref of iotjob to install" >&2
  exit 2
fi

[ -z "${GITHUB_PATH:-}" ] || echo "$home/bin" >>"$GITHUB_PATH"
"$home/bin/iotjob" --version
