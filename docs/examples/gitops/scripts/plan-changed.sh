#!/usr/bin/env bash
# Plans the manifests that differ between two commits, as Markdown into a file.
set -euo pipefail
before=$1 after=$2 out=$3

mapfile -t manifests < <("$(dirname "$0")/changed-manifests.sh" "$before" "$after")
if [ "${#manifests[@]}" -eq 0 ]; then
  echo "No manifest has changed." >"$out"
else
  iotjob plan "${manifests[@]}" --applied-before jobs/ --output markdown >"$out"
fi
