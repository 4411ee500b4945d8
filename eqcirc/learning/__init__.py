"""Costs, Equilibrium Propagation, optimizers and the training loop."""
