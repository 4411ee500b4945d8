"""Theory of what a circuit does in time and space, and measures of what it did."""
