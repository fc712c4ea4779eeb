"""The mutants: each is the correct agent with one method of it replaced."""
