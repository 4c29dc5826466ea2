"""From plain rows to what a terminal shows: pure functions."""
