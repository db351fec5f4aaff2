"""Training: the loop, its state, and the jobs that run beside it."""
