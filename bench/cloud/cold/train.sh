echo "$PAWL_EPOCH" > "$PAWL_CHECKPOINT_DIR/state.json"
