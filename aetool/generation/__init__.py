"""New latents: samplers, paths between keys, sums and noise."""
