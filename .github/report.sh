#!/usr/bin/env bash
# What a pull request changed against a base, as Markdown: cells question by question with their tests, data,
# costs and parameters; then the summary's metrics as DVC prints them, in random order: sorted here.
set -euo pipefail
base=${1:?usage: report.sh BASE}
rows=${ROWS:-150} # a comment may have 65,536 characters

harmless() { # names that a pull request chose: no HTML, and nobody who is called by name
  sed -e 's/<\([A-Za-z/!?]\)/\&lt;\1/g' -e $'s/@/@\xe2\x80\x8b/g' # a blank of no width
}

changes() { # the two header lines of a table, then its rows in order
  local table body count
  table=$("$@" | harmless) || { echo "_\`$*\` failed_"; return; }
  body=$(tail -n +3 <<<"$table" | grep -v '^\s*$' | LC_ALL=C sort || true)
  if [ -z "$body" ]; then echo "_no change_"; return; fi
  count=$(wc -l <<<"$body")
  head -n 2 <<<"$table"
  head -n "$rows" <<<"$body"
  if [ "$count" -gt "$rows" ]; then echo; echo "_and $((count - rows)) more: \`$*\`_"; fi
}

cot compare "$base" --markdown || echo "_\`cot compare $base\` failed_"
echo
echo "<details><summary>dvc metrics diff</summary>"
echo
changes dvc metrics diff "$base" --md --targets metrics/summary.json --no-path
echo
echo "</details>"
