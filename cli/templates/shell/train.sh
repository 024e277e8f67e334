#!/bin/sh
# Learns on which side of a line points are, with a POSIX shell and awk. Any command can be trained like this one: Pawl
# runs it once for each epoch. What is in PAWL_CHECKPOINT_DIR when it ends is the epoch's checkpoint, and is there again
# for the next; PAWL_METRICS_FILE takes the metrics, as one JSON object.
set -eu
export LC_ALL=C

batch=$1
model=$PAWL_CHECKPOINT_DIR/model.txt
[ -f "$model" ] || echo "0 0 0" > "$model"

awk -v batch="$batch" -v rate=1 -v scale="$PAWL_LR_SCALE" -v epoch="$PAWL_EPOCH" \
  -v model="$model.new" -v metrics="$PAWL_METRICS_FILE" '
  # Point i of a sequence that fills the square evenly; the line is y = x / 2 + 0.2.
  function point(i) {
    x = i * 0.7548776662 % 1
    y = i * 0.5698402910 % 1
    side = (y > x / 2 + 0.2)
  }
  function guess() { return 1 / (1 + exp(-(a * x + b * y + c))) }
  {
    a = $1; b = $2; c = $3; examples = 2000; tested = 500
    for (i = 1; i <= examples; i++) {
      # The order differs in each epoch and follows from it, so that it is the same after a restart.
      point((i * 757 + epoch * 131) % examples)
      error = guess() - side
      loss -= log(side ? 1 + error : 1 - error)
      by_a += error * x; by_b += error * y; by_c += error
      if (i % batch == 0 || i == examples) {
        count = i % batch ? i % batch : batch
        a -= rate * scale * by_a / count; b -= rate * scale * by_b / count; c -= rate * scale * by_c / count
        by_a = by_b = by_c = 0
      }
    }
    for (i = 1; i <= tested; i++) { point(examples + i); right += ((guess() > 0.5) == side) }
    printf "%.17g %.17g %.17g\n", a, b, c > model
    printf "{\"loss\": %.9g, \"accuracy\": %.4f, \"examples\": %d}\n", loss / examples, right / tested, examples > metrics
  }' "$model"
mv "$model.new" "$model"
