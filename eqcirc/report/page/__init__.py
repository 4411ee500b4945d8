"""A page about runs: what was measured, figures of it, and the HTML that holds them."""
