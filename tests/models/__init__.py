"""Whole servers with models behind them: our program on one side, other people's on the other."""
