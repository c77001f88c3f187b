#!/usr/bin/env bash
# Is dvc.lock in step with the code, the parameters and the committed numbers? Needs no data, no cache, no remote.
set -uo pipefail
plan=$(dvc repro --dry --allow-missing 2>&1)
status=$?
stale=$(grep -oP "(Running stage|failed to reproduce) '\K[^']+" <<<"$plan" | sort -u)
if [ "$status" -ne 0 ] || [ -n "$stale" ]; then
  echo "dvc.lock is behind. Run \`dvc repro\` and commit dvc.lock and metrics/. Stale stages:"
  echo "${stale:-$plan}"
  exit 1
fi
echo "dvc.lock is up to date"
