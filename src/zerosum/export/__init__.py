"""What goes in and out of zerosum as files: importers of the authors' own checkpoints."""
