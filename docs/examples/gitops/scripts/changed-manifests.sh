#!/usr/bin/env bash
# Prints the manifests that differ between two commits, one a line; those that were deleted are left out.
#
# Only these are planned and applied: the hub forgets a job's id after 30 days, and a manifest that ran before that
# would run again.
set -euo pipefail
before=$1 after=$2

# A branch's first push has no commit before it: then everything is new.
if ! git cat-file -e "$before^{commit}" 2>/dev/null; then
  before=$(git hash-object -t tree /dev/null)
fi
git diff --name-only --diff-filter=AMR "$before" "$after" -- 'jobs/*.yaml' 'jobs/*.yml'
