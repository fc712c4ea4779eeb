"""Child processes for everybody: a clean environment, their own group, a truthful end, and nothing left behind."""
