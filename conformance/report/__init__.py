"""The verdicts for people and for programs."""
