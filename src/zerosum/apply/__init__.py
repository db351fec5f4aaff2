"""What people do with a trained generator: bring images into its latents, find directions in them."""
