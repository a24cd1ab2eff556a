#!/usr/bin/env bash
# Applies the manifests that differ between two commits. Running it again is safe: the same manifest is the same run.
set -euo pipefail
before=$1 after=$2

mapfile -t manifests < <("$(dirname "$0")/changed-manifests.sh" "$before" "$after")
if [ "${#manifests[@]}" -eq 0 ]; then
  echo "no manifest has changed"
else
  iotjob apply "${manifests[@]}" --applied-before jobs/ --require-targets --wait-timeout 1h --report junit=devices.xml
fi
