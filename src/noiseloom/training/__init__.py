"""Training on torch alone: one loop for every task, and what makes it exact and safe."""
