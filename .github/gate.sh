#!/usr/bin/env bash
# Is dvc.lock in step with the code, the parameters and the committed numbers? Needs no data, no cache, no remote.
# `check` is run in earnest, for its stamps tell what the code decides; a stale entry of its own is no fault: a
# comment moves it, and no result.
set -uo pipefail
if ! said=$(python -m stages.check data/code 2>&1); then
  echo "$said"
  exit 1
fi
plan=$(dvc repro --dry --allow-missing 2>&1)
status=$?
stale=$(grep -oP "(Running stage|failed to reproduce) '\K[^']+" <<<"$plan" | sort -u | grep -vx check)
if [ "$status" -ne 0 ] || [ -n "$stale" ]; then
  echo "dvc.lock is behind. Run \`dvc repro\` and commit dvc.lock and metrics/. Stale stages:"
  echo "${stale:-$plan}"
  exit 1
fi
echo "dvc.lock is up to date"
