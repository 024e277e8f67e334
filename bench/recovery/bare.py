"""What the trainer does without Pawl: starts, loads the same file, and says when it could do its first step."""

import sys
import time

with open(sys.argv[1], "rb") as file:
    state = file.read()
print(f"{time.time():.6f} {len(state)}")
