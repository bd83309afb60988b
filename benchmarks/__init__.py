"""What a call costs, side by side in one run. Quote ratios: the machine's speed drifts."""
