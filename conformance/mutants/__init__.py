"""The kit judged in its turn: a correct agent, and the same agent broken in one way at a time.

A mutant that no requirement catches, or that one catches which is not its own, is a fault of the kit.
"""
