#!/usr/bin/env bash
# Rehearses the whole example on this machine, with no account and no network: a local hub with the limits of tier S1,
# five simulated doors, a pull request, its merge, a second merge, and the check at night. Needs `iotjob`, git and bash.
set -euo pipefail
example=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pids=()
finish() {
  [ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap finish EXIT

say() { printf '\n== %s\n' "$*"; }
# Runs a command that must end with the given code.
expect() {
  local want=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" -eq "$want" ] || { echo "expected exit code $want, got $code: $*" >&2; exit 1; }
}

say "a hub with one job slot, and five doors"
iotjob hub --tier S1 --https-port 0 --mqtt-port 0 --data "$work/hub" --ready-file "$work/ready.json" \
  >"$work/hub.log" 2>&1 &
pids+=($!)
until [ -s "$work/ready.json" ]; do
  kill -0 "${pids[0]}" 2>/dev/null || { cat "$work/hub.log" >&2; exit 1; }
  sleep 0.1
done
eval "$(iotjob hub env --ready-file "$work/ready.json")"
mqtt_port=$(sed -n 's/.*"mqttPort": *\([0-9]*\).*/\1/p' "$work/ready.json")
mkfifo "$work/doors"
iotjob device --count 5 --id-template 'door-{n:02}' --mqtt-port "$mqtt_port" --output json >"$work/doors" 2>"$work/doors.log" &
pids+=($!)
exec 3<"$work/doors"
connected=0
while [ "$connected" -lt 5 ] && IFS= read -r event <&3; do
  case $event in *'"event":"connected"'*) connected=$((connected + 1)) ;; esac
done
cat <&3 >/dev/null &
pids+=($!)

say "a repository, and a branch with two manifests"
git init --quiet --initial-branch main "$work/fleet"
cd "$work/fleet"
git config user.name "Platform Engineer"
git config user.email platform@example.com
cp -R "$example/.github" "$example/scripts" .
git add --all && git commit --quiet --message "Set the pipeline up"
git checkout --quiet -b doors
cp -R "$example/jobs" .
git add --all && git commit --quiet --message "Tell doors where they are, and lock them"

say "the pull request: validate, and a plan for its comment"
iotjob validate --deny-warnings jobs/
scripts/plan-changed.sh main HEAD plan.md
cat plan.md
expect 10 iotjob plan jobs/ --detailed-exitcode >/dev/null

say "the merge: apply what it changed"
git checkout --quiet main
before=$(git rev-parse HEAD)
git merge --quiet --no-ff --no-edit doors
scripts/apply-changed.sh "$before" HEAD

say "the pipeline runs again: nothing is sent twice"
scripts/apply-changed.sh "$before" HEAD
[ "$(iotjob list --output json | wc -l)" -eq 2 ]

say "at night: twins hold what they were given"
expect 0 iotjob plan jobs/ --drift >/dev/null

say "somebody changes a twin by hand, and the next night finds it"
printf 'name: by-hand\ntype: scheduleUpdateTwin\ndevices: [door-03]\npatch: { desired: { floor: 7 } }\n' |
  iotjob apply - >/dev/null
expect 10 iotjob plan jobs/ --drift

say "a second merge that changes one manifest applies that one"
before=$(git rev-parse HEAD)
sed -i.bak 's/floor: 3/floor: 4/' jobs/where-doors-are.yaml && rm jobs/where-doors-are.yaml.bak
git commit --quiet --all --message "The doors have moved"
[ "$(scripts/changed-manifests.sh "$before" HEAD)" = jobs/where-doors-are.yaml ]
scripts/apply-changed.sh "$before" HEAD
expect 0 iotjob plan jobs/ --drift >/dev/null

say "a third merge changes a manifest that comes after one that was applied before"
before=$(git rev-parse HEAD)
sed -i.bak 's/lockTime: 10m/lockTime: 20m/' jobs/lock-doors.yaml && rm jobs/lock-doors.yaml.bak
git commit --quiet --all --message "Lock for longer"
scripts/apply-changed.sh "$before" HEAD

say "all of it works"
