"""Linear solves with the Jacobian of reduced circuits: directly, by blocks or sparse, or by conjugate gradients."""
