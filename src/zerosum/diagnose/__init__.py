"""The doctor: is a run in equilibrium, and if not, what ails it and what to do."""
