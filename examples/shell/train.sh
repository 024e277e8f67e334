#!/bin/sh
# One epoch of gradient descent on the line through (x, 2x - 1). The model is two numbers in a file; it is where the last
# epoch left it, since Pawl gives back what was in PAWL_CHECKPOINT_DIR.
set -eu

batch=$1
model=$PAWL_CHECKPOINT_DIR/model.txt
[ -f "$model" ] || echo "0 0" > "$model"

awk -v batch="$batch" -v rate="$LEARNING_RATE" -v scale="$PAWL_LR_SCALE" \
  -v model="$model.new" -v metrics="$PAWL_METRICS_FILE" -v epoch="$PAWL_EPOCH" '
  {
    slope = $1; offset = $2; examples = 200
    for (i = 0; i < examples; i++) {
      # 37 and 200 have no common factor, so that each x comes once.
      x = ((i * 37) % examples) / examples * 2 - 1
      error = slope * x + offset - (2 * x - 1)
      loss += error * error; by_slope += error * x; by_offset += error
      if ((i + 1) % batch == 0 || i + 1 == examples) {
        count = i % batch + 1
        slope -= rate * scale * by_slope / count; offset -= rate * scale * by_offset / count
        by_slope = by_offset = 0
      }
    }
    loss /= examples
    printf "%.17g %.17g\n", slope, offset > model
    printf "{\"loss\": %.9g, \"slope\": %.9g, \"offset\": %.9g, \"examples\": %d}\n", \
      loss, slope, offset, examples > metrics
    printf "epoch %d: loss %.6f, y = %.4fx %+.4f\n", epoch, loss, slope, offset
  }' "$model"
mv "$model.new" "$model"
