#!/bin/sh
# A task that knows nothing of Flyte, S3 or protobuf: it reads files and writes files.
#   task.sh INPUTS OUTPUTS
set -eu
in=$1 out=$2
mkdir -p "$out/above" "$out/lengths"

threshold=$(cat "$in/threshold")
echo "Hello $(cat "$in/name"), rows above $threshold:"

# A number: the mean of the second column of the CSV.
awk -F, 'NR > 1 { sum += $2; n++ } END { printf "%.4f", sum / n }' "$in/table" >"$out/mean"

# A file: the rows above the threshold.
awk -F, -v t="$threshold" 'NR == 1 || $2 > t' "$in/table" | tee "$out/report.csv"

# A directory: one file for each city above the threshold.
awk -F, -v t="$threshold" -v d="$out/above" 'NR > 1 && $2 > t { print $2 > (d "/" $1 ".txt") }' "$in/table"

# A list of integers: the number of lines of each note in the input directory.
i=0
for note in "$in"/notes/*.md "$in"/notes/*/*.md; do
  wc -l <"$note" | tr -d ' ' >"$out/lengths/$i"
  i=$((i + 1))
done
