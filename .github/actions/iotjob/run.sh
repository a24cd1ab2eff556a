#!/usr/bin/env bash
# Runs iotjob with the words of IOTJOB_ARGS, one a line, and tells its exit code. Code 10, a plan with changes, is an
# answer and no failure.
set -euo pipefail

words=()
while IFS= read -r word; do
  [ -z "$word" ] || words+=("$word")
done <<<"$IOTJOB_ARGS"

code=0
iotjob "${words[@]}" || code=$?
echo "exit-code=$code" >>"${GITHUB_OUTPUT:-/dev/null}"
[ "$code" -eq 10 ] || exit "$code"
