"""Learning: advantages, losses, batches, sampling engines and the training loop."""
