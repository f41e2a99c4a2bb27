"""Making the most of a trained run: how its weights are averaged, and how it is sampled."""
