#!/usr/bin/env bash
# Packs a built iotjob for a release: pack.sh FOLDER NAME makes NAME.tar.gz and NAME.tar.gz.sha256 here, with the
# binary, man pages, completions, licence and README.
set -euo pipefail
folder=$1 name=$2

binary=iotjob
[ ! -e "$folder/iotjob.exe" ] || binary=iotjob.exe
mkdir -p "$name/completions"
cp "$folder/$binary" LICENSE README.md "$name/"
"$folder/$binary" man --quiet "$name/man1"
for shell in bash zsh fish powershell elvish; do
  "$folder/$binary" completions "$shell" >"$name/completions/iotjob.$shell"
done
tar -czf "$name.tar.gz" "$name"
if command -v sha256sum >/dev/null; then hash="sha256sum"; else hash="shasum -a 256"; fi
$hash "$name.tar.gz" >"$name.tar.gz.sha256"
